// Rows that were wrong are deleted, overwritten, replaced by whole partitions; properties of the
// table say how strictly, and are taken back.

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <arrow/api.h>

#include "signaldb/iceberg_catalog.h"
#include "signaldb/iceberg_table_writer.h"

namespace {

struct Payment {
  std::int64_t id = 0;
  std::string day;
  std::string amount;
};

std::shared_ptr<arrow::Schema> PaymentSchema() {
  return arrow::schema({arrow::field("payment_id", arrow::int64(), false),
                        arrow::field("day", arrow::utf8(), false),
                        arrow::field("amount", arrow::decimal128(9, 2))});
}

std::shared_ptr<arrow::RecordBatch> Payments(const std::vector<Payment>& payments) {
  arrow::Int64Builder ids;
  arrow::StringBuilder days;
  arrow::Decimal128Builder amounts(arrow::decimal128(9, 2));
  for (const Payment& payment : payments) {
    const bool made = ids.Append(payment.id).ok() && days.Append(payment.day).ok() &&
                      amounts.Append(*arrow::Decimal128::FromString(payment.amount)).ok();
    if (!made) return nullptr;
  }
  return arrow::RecordBatch::Make(PaymentSchema(), static_cast<std::int64_t>(payments.size()),
                                  {*ids.Finish(), *days.Finish(), *amounts.Finish()});
}

signaldb::Status Check(bool holds, const char* what) {
  if (holds) return {};
  return signaldb::Fail(signaldb::ErrorKind::kInternal, what);
}

signaldb::Status Run() {
  const signaldb::Configuration config;
  const auto object_store = std::make_shared<signaldb::InMemory>();
  signaldb::TableOptions options;
  options.schema = PaymentSchema();
  options.partition_by = {{.column = "day", .transform = "identity", .name = ""}};
  SIGNALDB_ASSIGN(const auto writer,
                  signaldb::CreateIcebergWriterForTable(config, object_store, "my_tenant", "shop",
                                                        "payments", options));
  SIGNALDB_TRY(writer->WriteBatch(Payments({{1, "2026-11-21", "12.50"},
                                            {2, "2026-11-21", "-1.00"},
                                            {3, "2026-11-22", "99.99"},
                                            {4, "2026-11-22", "7.00"}})));

  // snippet: delete
  using signaldb::RowFilter;
  SIGNALDB_ASSIGN(const signaldb::EditCounts deleted,
                  writer->DeleteWhere(RowFilter::And(RowFilter::Less("amount", "0.00"),
                                                     RowFilter::Equal("day", "2026-11-21"))));
  std::printf("%lld rows deleted, %lld files written anew\n",
              static_cast<long long>(deleted.rows_deleted),
              static_cast<long long>(deleted.files_rewritten));
  // end of snippet
  SIGNALDB_TRY(Check(deleted.rows_deleted == 1 && deleted.files_rewritten == 1, "deleted"));

  // snippet: overwrite
  SIGNALDB_ASSIGN(const signaldb::EditCounts corrected,
                  writer->OverwriteWhere(RowFilter::In("payment_id", {std::int64_t{1}}),
                                         {Payments({{1, "2026-11-21", "12.80"}})}));
  // end of snippet
  SIGNALDB_TRY(Check(corrected.rows_deleted == 1 && corrected.rows_added == 1, "corrected"));

  // snippet: replace
  // All that is of the 22nd goes; other days stay.
  SIGNALDB_ASSIGN(const signaldb::EditCounts replaced,
                  writer->ReplacePartitions({Payments({{3, "2026-11-22", "99.00"}})}));
  // end of snippet
  SIGNALDB_TRY(Check(replaced.rows_deleted == 2 && replaced.rows_added == 1, "replaced"));

  // snippet: properties
  SIGNALDB_ASSIGN(const auto catalog, signaldb::IcebergCatalog::Open(config, object_store));
  const signaldb::TableName payments{.levels = "my_tenant.shop", .name = "payments"};
  SIGNALDB_TRY(
      catalog->SetTableProperties(payments, {{"write.delete.isolation-level", "snapshot"},
                                             {"write.update.isolation-level", "snapshot"}}));
  // Takes one back and sets another, both or none.
  SIGNALDB_TRY(catalog->SetTableProperties(payments, {{"comment", "corrected by hand"}},
                                           {"write.delete.isolation-level"}));
  // end of snippet
  SIGNALDB_ASSIGN(const signaldb::TableInfo info, catalog->LoadTable(payments));
  SIGNALDB_TRY(Check(info.rows == 2, "rows"));
  return Check(info.properties.contains("comment") &&
                   !info.properties.contains("write.delete.isolation-level"),
               "properties");
}

}  // namespace

int main() {
  const signaldb::Status status = Run();
  if (!status.has_value()) std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return status.has_value() ? 0 : 1;
}
