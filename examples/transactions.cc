// Several batches that become visible together, or not at all.

#include <cstdio>
#include <memory>
#include <string>

#include <arrow/api.h>

#include "gauge_batch.h"
#include "signaldb/iceberg_table_writer.h"

signaldb::Status Run() {
  const auto object_store = std::make_shared<signaldb::InMemory>();
  SIGNALDB_ASSIGN(const auto writer,
                  signaldb::CreateIcebergWriter(signaldb::Configuration(), object_store,
                                                "my_tenant", "my_dataset", "metrics_gauge"));
  const auto batch1 = MakeGaugeBatch(100);
  const auto batch2 = MakeGaugeBatch(200);
  const auto batch3 = MakeGaugeBatch(300);

  // snippet: transactions
  // Manual transaction management
  SIGNALDB_ASSIGN(const std::string transaction_id, writer->BeginTransaction());

  // Write multiple batches within transaction
  SIGNALDB_TRY(writer->WriteBatch(batch1));
  SIGNALDB_TRY(writer->WriteBatch(batch2));
  SIGNALDB_TRY(writer->WriteBatch(batch3));

  // Commit all changes atomically
  SIGNALDB_TRY(writer->CommitTransaction(transaction_id));

  // Or rollback on error
  SIGNALDB_ASSIGN(const std::string unwanted, writer->BeginTransaction());
  SIGNALDB_TRY(writer->WriteBatch(batch1));
  SIGNALDB_TRY(writer->RollbackTransaction(unwanted));

  // Automatic transactional batch writing
  SIGNALDB_TRY(writer->WriteBatches({batch1, batch2, batch3}));  // Wrapped in a transaction
  // end of snippet

  std::printf("two transactions committed, one rolled back\n");
  return {};
}

int main() {
  const signaldb::Status status = Run();
  if (!status.has_value()) std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return status.has_value() ? 0 : 1;
}
