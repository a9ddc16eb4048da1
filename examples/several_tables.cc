// Tables of one's own, made from Arrow schemas, that change together in one atomic step.

#include <cstdio>
#include <memory>

#include <arrow/api.h>

#include "signaldb/catalog_transaction.h"
#include "signaldb/iceberg_table_writer.h"

std::shared_ptr<arrow::RecordBatch> Column(const char* name, std::int64_t value) {
  arrow::Int64Builder builder;
  if (!builder.Append(value).ok()) std::abort();
  return arrow::RecordBatch::Make(arrow::schema({arrow::field(name, arrow::int64(), false)}), 1,
                                  {builder.Finish().ValueOrDie()});
}

signaldb::Status Run() {
  const signaldb::Configuration config;
  const auto object_store = std::make_shared<signaldb::InMemory>();

  // snippet: several
  signaldb::TableOptions orders_table;
  orders_table.schema = arrow::schema({arrow::field("order_id", arrow::int64(), false)});
  orders_table.partition_by = {{.column = "order_id", .transform = "bucket[4]", .name = ""}};
  signaldb::TableOptions payments_table;
  payments_table.schema = arrow::schema(
      {arrow::field("payment_id", arrow::int64(), false), arrow::field("note", arrow::utf8())});
  payments_table.sort_by = {{.column = "payment_id"}};

  SIGNALDB_ASSIGN(const auto orders,
                  signaldb::CreateIcebergWriterForTable(config, object_store, "my_tenant", "shop",
                                                        "orders", orders_table));
  SIGNALDB_ASSIGN(const auto payments,
                  signaldb::CreateIcebergWriterForTable(config, object_store, "my_tenant", "shop",
                                                        "payments", payments_table));

  SIGNALDB_ASSIGN(const auto transaction,
                  signaldb::CatalogTransaction::Begin({*orders, *payments}));
  SIGNALDB_TRY(transaction->WriteBatch(*orders, Column("order_id", 1)));
  SIGNALDB_TRY(transaction->WriteBatch(*payments, Column("payment_id", 7)));
  SIGNALDB_TRY(transaction->Commit());
  // end of snippet
  std::printf("an order and its payment, or neither\n");
  return {};
}

int main() {
  const signaldb::Status status = Run();
  if (!status.has_value()) std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return status.has_value() ? 0 : 1;
}
