// history_tool FOLDER FIRST COUNT: commits rows FIRST to FIRST + COUNT - 1 into acme.prod.events,
// one after the other, each in a transaction of its own.

#include <cstdio>
#include <string>

#include "suites/writer_world.h"

namespace signaldb {
namespace {

Status Run(const std::string& folder, std::int64_t first, std::int64_t count) {
  Configuration config;
  config.schema.catalog_uri = "sqlite://" + folder + "/catalog.db";
  SIGNALDB_ASSIGN(const auto store, ObjectStore::Open("file://" + folder + "/tables"));
  TableOptions options;
  options.schema = testing::EventSchema();
  SIGNALDB_ASSIGN(const auto writer,
                  CreateIcebergWriterForTable(config, store, "acme", "prod", "events", options));
  for (std::int64_t row = first; row < first + count; ++row) {
    SIGNALDB_TRY(writer->WriteBatch(testing::EventBatch(row, 1)));
  }
  return {};
}

}  // namespace
}  // namespace signaldb

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const signaldb::Status status = signaldb::Run(argv[1], std::stoll(argv[2]), std::stoll(argv[3]));
  if (!status.has_value()) std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return status.has_value() ? 0 : 1;
}
