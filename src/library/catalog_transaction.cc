#include "signaldb/catalog_transaction.h"

#include <algorithm>
#include <set>
#include <utility>

#include <arrow/api.h>
#include <fmt/format.h>

#include "library/writer_parts.h"

namespace signaldb {

struct CatalogTransaction::Parts {
  std::vector<IcebergTableWriter*> writers;
  std::unique_ptr<Transaction> transaction;
};

CatalogTransaction::CatalogTransaction(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
CatalogTransaction::~CatalogTransaction() = default;

Result<std::unique_ptr<CatalogTransaction>> CatalogTransaction::Begin(
    std::vector<std::reference_wrapper<IcebergTableWriter>> writers) {
  if (writers.empty()) {
    return Fail(ErrorKind::kInvalid, "a transaction over tables needs at least one writer");
  }
  const IcebergTableWriter::Parts& first = writers.front().get().parts();
  auto parts = std::make_unique<Parts>();
  std::set<std::string> tables;
  for (IcebergTableWriter& writer : writers) {
    const IcebergTableWriter::Parts& other = writer.parts();
    if (other.store != first.store || other.catalog.key != first.catalog.key) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("all writers of a transaction share one object store and one catalog "
                              "table={} other={}",
                              first.table_name, other.table_name));
    }
    if (!tables.insert(other.table_name).second) {
      return Fail(
          ErrorKind::kInvalid,
          fmt::format("a table stands twice in one transaction table={}", other.table_name));
    }
    parts->writers.push_back(&writer);
  }
  parts->transaction = writers.front().get().parts().NewTransaction();
  return std::unique_ptr<CatalogTransaction>(new CatalogTransaction(std::move(parts)));
}

const std::string& CatalogTransaction::id() const { return parts_->transaction->id(); }

Status CatalogTransaction::WriteBatch(IcebergTableWriter& writer,
                                      const std::shared_ptr<arrow::RecordBatch>& batch) {
  if (std::ranges::find(parts_->writers, &writer) == parts_->writers.end()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("the transaction was begun without this writer table={} "
                            "transaction_id={}",
                            writer.table_name(), id()));
  }
  return writer.parts().WriteInto(*parts_->transaction, {batch});
}

Status CatalogTransaction::Commit() {
  const Result<CommitReport> report = parts_->transaction->Commit({});
  if (!report.has_value()) return std::unexpected(report.error());
  return {};
}

Status CatalogTransaction::Rollback() { return parts_->transaction->Rollback("asked for"); }

}  // namespace signaldb
