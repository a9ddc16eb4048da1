// append_tool FOLDER FIRST COUNT [URI]: rows FIRST to FIRST + COUNT - 1 into acme.prod.events, in
// one transaction; of the catalog at URI, or else the SQLite catalog FOLDER/catalog.db.

#include <cstdio>
#include <string>

#include "suites/writer_world.h"

namespace signaldb {
namespace {

Status Run(const std::string& folder, std::int64_t first, std::int64_t count,
           const std::string& uri) {
  Configuration config;
  config.schema.catalog_uri = uri;
  SIGNALDB_ASSIGN(const auto store, ObjectStore::Open("file://" + folder + "/tables"));
  TableOptions options;
  options.schema = testing::EventSchema();
  SIGNALDB_ASSIGN(const auto writer,
                  CreateIcebergWriterForTable(config, store, "acme", "prod", "events", options));
  SIGNALDB_ASSIGN(const std::string id, writer->BeginTransaction());
  SIGNALDB_TRY(writer->WriteBatch(testing::EventBatch(first, count)));
  return writer->CommitTransaction(id);
}

}  // namespace
}  // namespace signaldb

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) return 2;
  const std::string folder = argv[1];
  const signaldb::Status status =
      signaldb::Run(folder, std::stoll(argv[2]), std::stoll(argv[3]),
                    argc == 5 ? argv[4] : "sqlite://" + folder + "/catalog.db");
  if (!status.has_value()) std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return status.has_value() ? 0 : 1;
}
