// tables_in_s3 ENDPOINT BUCKET FOLDER: a table in a bucket, its catalog and journals in FOLDER. The
// keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.

#include <cstdio>
#include <string>

#include <arrow/api.h>

#include "gauge_batch.h"
#include "signaldb/iceberg_table_writer.h"

signaldb::Status Run(const std::string& endpoint, const std::string& bucket,
                     const std::string& folder) {
  // snippet: store
  signaldb::Configuration config;
  config.schema.catalog_uri = "sqlite://" + folder + "/catalog.db";
  config.storage.dsn = "s3://" + bucket + "/warehouse";
  config.storage.endpoint = endpoint;  // Of AWS itself: none.
  config.storage.region = "us-east-1";
  config.storage.journal_folder = folder + "/journals";

  SIGNALDB_ASSIGN(const auto object_store, signaldb::ObjectStore::Open(config.storage));
  SIGNALDB_ASSIGN(const auto writer,
                  signaldb::CreateIcebergWriter(config, object_store, "my_tenant", "my_dataset",
                                                "metrics_gauge"));
  SIGNALDB_TRY(writer->WriteBatch(MakeGaugeBatch(1'000)));
  // end of snippet

  SIGNALDB_ASSIGN(const auto locations, object_store->List());
  for (const std::string& location : locations) std::printf("%s\n", location.c_str());
  return {};
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  // snippet: end
  const signaldb::Status status = Run(argv[1], argv[2], argv[3]);  // All stores are gone after it.
  signaldb::ObjectStore::EndProcess();
  // end of snippet
  if (!status.has_value()) std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return status.has_value() ? 0 : 1;
}
