// A writer with its defaults: the catalog and the tables live in memory.

#include <cstdio>
#include <memory>

#include <arrow/api.h>

#include "gauge_batch.h"
#include "signaldb/iceberg_table_writer.h"

signaldb::Status Run() {
  // snippet: basic
  const signaldb::Configuration config;
  const auto object_store = std::make_shared<signaldb::InMemory>();

  SIGNALDB_ASSIGN(const auto writer,
                  signaldb::CreateIcebergWriter(config, object_store, "my_tenant", "my_dataset",
                                                "metrics_gauge"));

  // Rows are split, sorted, and visible in one snapshot when this returns.
  SIGNALDB_TRY(writer->WriteBatch(MakeGaugeBatch(1'000)));
  // end of snippet

  SIGNALDB_ASSIGN(const auto files, object_store->List());
  std::printf("wrote 1000 rows to %s, %zu files\n", writer->table_name().c_str(), files.size());
  return {};
}

int main() {
  const signaldb::Status status = Run();
  if (!status.has_value()) std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return status.has_value() ? 0 : 1;
}
