// Creates tables and appends to them with our own classes, for tests that read them with others.
//
//   catalog_tool CATALOG WAREHOUSE create TABLE                      prints the metadata location
//   catalog_tool CATALOG WAREHOUSE append FIRST COUNT TABLE...       rows FIRST .. FIRST+COUNT-1
//   into
//                                                                    every table, in one commit
//   catalog_tool CATALOG WAREHOUSE load TABLE                        prints snapshots and rows
//   catalog_tool CATALOG WAREHOUSE delete TABLE FIRST COUNT          rows with such ids
//   catalog_tool CATALOG WAREHOUSE overwrite TABLE FIRST COUNT TO    the same, with as many from TO
//
// CATALOG is sqlite://PATH, WAREHOUSE an absolute folder, TABLE "level.level.name".

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <fmt/format.h>

#include "adapters/local/local_file_io.h"
#include "adapters/local/posix_file_system.h"
#include "adapters/sqlite/sqlite_catalog.h"
#include "base/clock.h"
#include "base/event_listener.h"
#include "base/random.h"
#include "iceberg/commit/metadata_cache.h"
#include "iceberg/commit/table_commit.h"
#include "iceberg/data_file/data_file_writer.h"
#include "writer/table_edit.h"

namespace signaldb {
namespace {

TableIdentifier TableOf(const std::string& dotted) {
  Namespace levels = SplitLevels(dotted).value();
  std::string name = std::move(levels.back());
  levels.pop_back();
  return {.levels = std::move(levels), .name = std::move(name)};
}

NewTable DefinitionOf(const std::string& warehouse, const TableIdentifier& table) {
  NewTable made;
  made.location = fmt::format("file://{}/{}/{}", warehouse, JoinLevels(table.levels), table.name);
  made.schema.fields = {{.id = 1, .name = "id", .required = true, .type = Type(TypeId::kLong)},
                        {.id = 2, .name = "body", .type = Type(TypeId::kString)}};
  return made;
}

std::shared_ptr<arrow::RecordBatch> Rows(std::int64_t first, std::int64_t count) {
  arrow::Int64Builder ids;
  arrow::StringBuilder bodies;
  for (std::int64_t id = first; id < first + count; ++id) {
    if (!ids.Append(id).ok() || !bodies.Append(fmt::format("body {}", id)).ok()) std::abort();
  }
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64(), false),
                                                 arrow::field("body", arrow::utf8())}),
                                  count, {ids.Finish().ValueOrDie(), bodies.Finish().ValueOrDie()});
}

RowFilter Between(std::int64_t first, std::int64_t count) {
  return RowFilter::And(RowFilter::GreaterOrEqual("id", first),
                        RowFilter::Less("id", first + count));
}

/// Everything between the command line and the catalog.
class Tool {
 public:
  Tool(std::unique_ptr<SqliteCatalog> catalog, std::string warehouse)
      : catalog_(std::move(catalog)), warehouse_(std::move(warehouse)) {}

  Status Create(const TableIdentifier& table) {
    SIGNALDB_ASSIGN(const LoadedTable made,
                    committer_.LoadOrCreate(table, DefinitionOf(warehouse_, table)));
    fmt::print("{}\n", made.metadata_location);
    return {};
  }

  Status Append(const std::vector<TableIdentifier>& tables, std::int64_t first,
                std::int64_t count) {
    std::vector<TableChange> changes;
    for (const TableIdentifier& table : tables) {
      SIGNALDB_ASSIGN(const LoadedTable loaded, committer_.Load(table));
      SIGNALDB_ASSIGN(DataFile file, WriteRows(*loaded.metadata, first, count));
      TableChange change{.table = table};
      change.added_files.push_back(std::move(file));
      change.schema_id = loaded.metadata->current_schema_id;
      change.on_base = [first, count](const TableMetadata&) {
        return Properties{{"last-appended", std::to_string(first + count - 1)}};
      };
      changes.push_back(std::move(change));
    }
    SIGNALDB_ASSIGN(const CommitReport report,
                    committer_.Commit(ToString(UuidV7(clock_, random_)), std::move(changes), {}));
    fmt::print("{}\n", report.attempts);
    return {};
  }

  Status Delete(const TableIdentifier& table, std::int64_t first, std::int64_t count) {
    SIGNALDB_ASSIGN(const EditReport report, editor_.DeleteWhere(table, Between(first, count)));
    fmt::print("{} {}\n", report.rows_deleted, report.files_rewritten);
    return {};
  }

  Status Overwrite(const TableIdentifier& table, std::int64_t first, std::int64_t count,
                   std::int64_t to) {
    SIGNALDB_ASSIGN(const EditReport report,
                    editor_.OverwriteWhere(table, Between(first, count), {Rows(to, count)}));
    fmt::print("{} {}\n", report.rows_deleted, report.files_rewritten);
    return {};
  }

  Status Load(const TableIdentifier& table) {
    SIGNALDB_ASSIGN(const LoadedTable loaded, committer_.Load(table));
    const Snapshot* const head = loaded.metadata->current_snapshot();
    const std::string rows = head == nullptr ? "0" : head->summary.at("total-records");
    fmt::print("{} {}\n", loaded.metadata->snapshots.size(), rows);
    return {};
  }

 private:
  Result<DataFile> WriteRows(const TableMetadata& metadata, std::int64_t first,
                             std::int64_t count) {
    SIGNALDB_ASSIGN(auto format, DataFileFormat::Make(metadata));
    const std::string location =
        fmt::format("{}/data/{}.parquet", metadata.location, ToString(UuidV4(random_)));
    SIGNALDB_ASSIGN(const std::unique_ptr<DataFileWriter> writer,
                    DataFileWriter::Make(io_, format, location, {}, RowOrder::kUnsorted));
    SIGNALDB_TRY(writer->Write(*Rows(first, count)));
    return writer->Finish();
  }

  std::unique_ptr<SqliteCatalog> catalog_;
  const std::string warehouse_;
  PosixFileSystem files_;
  SystemClock clock_;
  SystemRandom random_;
  NullEventListener events_;
  LocalFileIo io_{files_, random_, "/"};
  MetadataCache cache_{clock_, events_};
  TableCommitter committer_{{*catalog_, io_, clock_, random_, events_, cache_},
                            {.retry = {.max_attempts = 50}, .engine_version = "test"}};
  TableEditor editor_{{committer_, io_, clock_, random_, events_}, FileOptions()};
};

Status Run(const std::vector<std::string>& words) {
  SIGNALDB_ASSIGN(auto catalog,
                  SqliteCatalog::Open(words.at(0), {.busy_timeout = std::chrono::seconds(30)}));
  Tool tool(std::move(catalog), words.at(1));
  const std::string& command = words.at(2);
  if (command == "create") return tool.Create(TableOf(words.at(3)));
  if (command == "load") return tool.Load(TableOf(words.at(3)));
  if (command == "delete") {
    return tool.Delete(TableOf(words.at(3)), std::stoll(words.at(4)), std::stoll(words.at(5)));
  }
  if (command == "overwrite") {
    return tool.Overwrite(TableOf(words.at(3)), std::stoll(words.at(4)), std::stoll(words.at(5)),
                          std::stoll(words.at(6)));
  }
  if (command != "append") return Fail(ErrorKind::kInvalid, "no such command");
  std::vector<TableIdentifier> tables;
  for (std::size_t i = 5; i < words.size(); ++i) tables.push_back(TableOf(words[i]));
  return tool.Append(tables, std::stoll(words.at(3)), std::stoll(words.at(4)));
}

}  // namespace
}  // namespace signaldb

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 4) return 2;
  const signaldb::Status done = signaldb::Run(words);
  if (done.has_value()) return 0;
  fmt::print(stderr, "{}: {}\n", signaldb::ToString(done.error().kind), done.error().message);
  return 1;
}
