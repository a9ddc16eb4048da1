#include "pipeline/letter_desk.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <arrow/api.h>
#include <fmt/format.h>

#include "iceberg/scan/table_scan.h"
#include "iceberg/schema/literal.h"
#include "pipeline/decoded_rows.h"
#include "pipeline/letter_allowance.h"
#include "telemetry/select_records.h"
#include "telemetry/table_definition.h"

namespace signaldb {

namespace {

constexpr std::size_t kLevels = 2;  // tenant, dataset
constexpr std::int64_t kNanosPerMicro = 1'000;
// Rows in memory before they are written to data files.
constexpr std::int64_t kRowBytesMax = 64LL << 20;

TableIdentifier LettersOf(const DatasetId& dataset) {
  return TableInDataset(dataset, DefinitionOf(TableKind::kDeadLetters).name);
}

// The files that may hold letters of the filter.
Result<std::vector<DataFile>> FilesFor(FileIo& io, const TableMetadata& table,
                                       const LetterFilter& filter) {
  std::vector<Predicate> predicates;
  if (filter.since) {
    predicates.push_back({.column = "timestamp",
                          .op = Predicate::Op::kGreaterOrEqual,
                          .literal = Literal{filter.since->count() / kNanosPerMicro}});
  }
  return PlanFiles(io, table, predicates);
}

}  // namespace

bool LetterFilter::Holds(const DeadLetter& letter) const {
  return (!reason || letter.reason.contains(*reason)) && (!since || letter.received_at >= *since) &&
         (!source || letter.source == *source) && (!part || letter.part == *part) &&
         (!position || (letter.first_position <= *position && *position <= letter.position));
}

/// One data file of letters on its way through one commit.
class LetterDesk::FileEdit {
 public:
  FileEdit(LetterDesk& desk, DatasetId dataset, LoadedTable letters, LetterReport& report)
      : desk_(desk),
        with_(desk.with_),
        id_(ToString(UuidV7(with_.clock, with_.random))),
        dataset_(std::move(dataset)),
        report_(report) {
    const auto [own, is_new] = targets_.try_emplace(letters.table);
    own->second.table = std::move(letters);
  }
  ~FileEdit() {
    if (!files_are_ours_) return;
    bool gone = true;
    for (const auto& [table, target] : targets_)
      gone &= DeleteFiles(with_.io, with_.events, target.files);
    if (gone) Resolve();
  }
  FileEdit(const FileEdit&) = delete;
  FileEdit& operator=(const FileEdit&) = delete;

  [[nodiscard]] Status Read(const DataFile& file, const Order& order, const LetterFilter& filter) {
    return ReadDataFile(with_.io, *Letters().table.metadata, file,
                        [&](const auto& rows) { return Take(rows, order, filter); });
  }

  /// Takes `file` out and everything else in. False if nothing of it was to be changed.
  [[nodiscard]] Result<bool> Commit(const DataFile& file, std::stop_token stop) {
    if (!changed_) return false;
    std::vector<TableChange> changes;
    for (auto& [table, target] : targets_) {
      SIGNALDB_TRY(Write(target));
      TableChange change;
      change.table = table;
      change.added_files = target.files;
      if (table == LettersOf(dataset_)) change.removed_files = {file};
      change.in_flight_id = id_;
      change.table_uuid = target.table.metadata->table_uuid;
      change.schema_id = target.table.metadata->current_schema_id;
      changes.push_back(std::move(change));
    }
    const Result<CommitReport> report =
        with_.committer.Commit(id_, std::move(changes), std::move(stop));
    files_are_ours_ = !report && report.error().kind != ErrorKind::kUnknownOutcome;
    if (!report) return std::unexpected(report.error());
    Resolve();
    return true;
  }

 private:
  struct Target {
    LoadedTable table;
    std::vector<std::shared_ptr<arrow::RecordBatch>> rows;  // Not written yet; of one schema.
    std::int64_t bytes = 0;
    std::vector<DataFile> files;
  };

  Target& Letters() { return targets_.at(LettersOf(dataset_)); }

  [[nodiscard]] Status Take(const std::shared_ptr<arrow::RecordBatch>& rows, const Order& order,
                            const LetterFilter& filter) {
    std::int64_t run = 0;  // Rows right before `row` that stay.
    std::int64_t run_bytes = 0;
    const auto keep_run = [&](std::int64_t end) -> Status {
      if (run == 0) return {};
      SIGNALDB_TRY(Add(Letters(), rows->Slice(end - run, run), run_bytes));
      run = run_bytes = 0;
      return {};
    };
    for (std::int64_t row = 0; row < rows->num_rows(); ++row) {
      SIGNALDB_ASSIGN(const DeadLetter letter, LetterIn(*rows, row));
      SIGNALDB_ASSIGN(const bool stays, Treat(letter, order, filter));
      if (stays) {
        ++run;
        run_bytes += static_cast<std::int64_t>(letter.message.size()) + kLetterBytes;
        continue;
      }
      changed_ = true;
      SIGNALDB_TRY(keep_run(row));
    }
    return keep_run(rows->num_rows());
  }

  // Whether the letter stays as it is.
  [[nodiscard]] Result<bool> Treat(const DeadLetter& letter, const Order& order,
                                   const LetterFilter& filter) {
    if (!filter.Holds(letter)) return true;
    ++report_.matched;
    if (order.doing == Order::Doing::kDrop) {
      ++report_.removed;
      return false;
    }
    SIGNALDB_ASSIGN(const bool stays, Replay(letter, order.target));
    report_.left += stays ? 1 : 0;
    return stays;
  }

  [[nodiscard]] Result<bool> Replay(const DeadLetter& letter,
                                    const std::optional<DatasetId>& wanted) {
    const bool is_unfit = letter.content == LetterContent::kUnfit;
    if (is_unfit && !wanted) {
      return Stays(
          fmt::format("refused before it was decoded, so whose rows they are is not known; "
                      "--to-tenant and --to-dataset say where to, if you know: {}",
                      letter.reason));
    }
    if (!is_unfit && !letter.IsReplayable()) {
      return Stays(fmt::format("content is {}, not all that is missing", ToString(letter.content)));
    }
    DecodeOptions options = desk_.decode_;
    options.received_at = letter.received_at;
    Result<DecodedRequest> decoded =
        DecodeMessage(letter.signal, letter.encoding, letter.message, options);
    const Status fit = decoded ? CheckHours(*decoded) : Status(std::unexpected(decoded.error()));
    if (!fit) return Stays(fit.error().message);
    if (decoded->accepted == 0) {
      return Stays(decoded->rejected > 0 ? decoded->rejection_message
                                         : "it holds no records, so there is nothing to write");
    }
    std::optional<std::string> rest;
    if (decoded->rejected > 0) {
      auto selected =
          SelectRecords(letter.signal, letter.encoding, letter.message, decoded->rejected_records);
      if (!selected) return Stays(decoded->rejection_message);
      rest = *std::move(selected);
    }
    const DatasetId target = wanted.value_or(
        DatasetId{letter.for_tenant.empty() ? dataset_.tenant : std::string(letter.for_tenant),
                  letter.for_dataset.empty() ? dataset_.dataset : std::string(letter.for_dataset)});
    const std::int64_t bytes = BytesOf(*decoded);
    for (DecodedTable& table : decoded->tables) {
      report_.rows += table.rows->num_rows();
      SIGNALDB_ASSIGN(Target * into, TargetFor(target, table.table));
      SIGNALDB_TRY(Add(*into, std::move(table.rows), bytes));
    }
    if (!rest) {
      ++report_.removed;
      return false;
    }
    ++report_.replaced;
    Note(decoded->rejection_message);
    DeadLetter remaining = letter;
    remaining.reason = decoded->rejection_message;
    remaining.rejected_records = decoded->rejected;
    remaining.content = LetterContent::kRecords;
    remaining.encoding = MessageEncoding::kProtobuf;
    remaining.message = std::as_bytes(std::span(*rest));
    // The records that are left go where the others went, whoever replays them.
    if (wanted) {
      remaining.for_tenant = target.tenant;
      remaining.for_dataset = target.dataset;
    }
    SIGNALDB_TRY(
        Add(Letters(), RowOf(remaining), static_cast<std::int64_t>(rest->size()) + kLetterBytes));
    return false;
  }

  bool Stays(const std::string& why) {
    Note(why);
    return true;
  }
  void Note(const std::string& why) {
    const bool fits =
        report_.reasons.contains(why) || report_.reasons.size() < LetterReport::kReasonsMax;
    ++report_.reasons[fits ? why : "others"];
  }

  [[nodiscard]] Result<Target*> TargetFor(const DatasetId& dataset, TableKind kind) {
    const TableIdentifier name = TableInDataset(dataset, DefinitionOf(kind).name);
    const auto found = targets_.find(name);
    if (found != targets_.end()) return &found->second;
    SIGNALDB_ASSIGN(const NewTable definition,
                    MakeTelemetryTable(dataset, kind, desk_.tables_, ToString(UuidV4(with_.random)),
                                       ToMillis(with_.clock.WallNow())));
    Target target;
    SIGNALDB_ASSIGN(target.table, with_.committer.LoadOrCreate(name, definition));
    return &targets_.emplace(name, std::move(target)).first->second;
  }

  [[nodiscard]] Status Add(Target& target, std::shared_ptr<arrow::RecordBatch> rows,
                           std::int64_t bytes) {
    // Columns may differ in their encoding only: dictionaries here, plain strings there.
    const bool fits =
        target.rows.empty() || target.rows.back()->schema()->Equals(*rows->schema(), false);
    if (!fits) SIGNALDB_TRY(Write(target));
    target.rows.push_back(std::move(rows));
    target.bytes += bytes;
    return target.bytes < kRowBytesMax ? Status() : Write(target);
  }

  [[nodiscard]] Status Write(Target& target) {
    if (target.rows.empty()) return {};
    SIGNALDB_ASSIGN(std::vector<DataFile> written,
                    WriteDataFiles({with_.io,
                                    with_.clock,
                                    with_.random,
                                    with_.events,
                                    with_.in_flight,
                                    {id_, target.table.table}},
                                   *target.table.metadata, std::move(target.rows), desk_.files_));
    std::ranges::move(written, std::back_inserter(target.files));
    target.rows.clear();
    target.bytes = 0;
    return {};
  }

  void Resolve() {
    if (with_.in_flight != nullptr) with_.in_flight->Resolve(id_);
  }

  LetterDesk& desk_;
  const CommitCollaborators& with_;
  const std::string id_;
  const DatasetId dataset_;
  LetterReport& report_;
  std::map<TableIdentifier, Target> targets_;  // The table of letters among them.
  bool changed_ = false;
  bool files_are_ours_ = true;
};

LetterDesk::LetterDesk(Catalog& catalog, const CommitCollaborators& with, FileOptions files,
                       TelemetryTableOptions tables, const DecodeOptions& decode)
    : catalog_(catalog), with_(with), files_(files), tables_(std::move(tables)), decode_(decode) {}

Result<std::vector<DatasetId>> LetterDesk::Datasets(const LetterFilter& filter) {
  std::vector<DatasetId> datasets;
  SIGNALDB_ASSIGN(const std::vector<Namespace> namespaces, catalog_.ListNamespaces());
  for (const Namespace& levels : namespaces) {
    if (levels.size() != kLevels) continue;
    DatasetId dataset{.tenant = levels[0], .dataset = levels[1]};
    if (!filter.Holds(dataset)) continue;
    const Result<std::string> letters = catalog_.MetadataLocation(LettersOf(dataset));
    if (letters) {
      datasets.push_back(std::move(dataset));
    } else if (letters.error().kind != ErrorKind::kNotFound) {
      return std::unexpected(letters.error());
    }
  }
  std::ranges::sort(datasets);
  return datasets;
}

Status LetterDesk::ForEach(const DatasetId& dataset, const LetterFilter& filter,
                           const std::function<Status(const DeadLetter&)>& each) {
  SIGNALDB_ASSIGN(const LoadedTable letters, with_.committer.Load(LettersOf(dataset)));
  SIGNALDB_ASSIGN(const std::vector<DataFile> files, FilesFor(with_.io, *letters.metadata, filter));
  for (const DataFile& file : files) {
    SIGNALDB_TRY(ReadDataFile(with_.io, *letters.metadata, file, [&](const auto& rows) -> Status {
      for (std::int64_t row = 0; row < rows->num_rows(); ++row) {
        SIGNALDB_ASSIGN(const DeadLetter letter, LetterIn(*rows, row));
        if (!filter.Holds(letter)) continue;
        const Status seen = each(letter);
        if (!seen) return seen;
      }
      return {};
    }));
  }
  return {};
}

Result<LetterReport> LetterDesk::Replay(const DatasetId& dataset, const LetterFilter& filter,
                                        const std::optional<DatasetId>& target,
                                        std::stop_token stop) {
  return EditFiles({.doing = Order::Doing::kReplay, .target = target}, dataset, filter,
                   std::move(stop));
}

Result<LetterReport> LetterDesk::Drop(const DatasetId& dataset, const LetterFilter& filter,
                                      std::stop_token stop) {
  return EditFiles({.doing = Order::Doing::kDrop}, dataset, filter, std::move(stop));
}

Result<LetterReport> LetterDesk::EditFiles(const Order& order, const DatasetId& dataset,
                                           const LetterFilter& filter, std::stop_token stop) {
  LetterReport report;
  SIGNALDB_ASSIGN(const LoadedTable base, with_.committer.Load(LettersOf(dataset)));
  SIGNALDB_ASSIGN(const std::vector<DataFile> files, FilesFor(with_.io, *base.metadata, filter));
  for (const DataFile& file : files) {
    SIGNALDB_ASSIGN(LoadedTable now, with_.committer.Load(LettersOf(dataset)));
    FileEdit edit(*this, dataset, std::move(now), report);
    SIGNALDB_TRY(edit.Read(file, order, filter));
    SIGNALDB_ASSIGN([[maybe_unused]] const bool changed, edit.Commit(file, stop));
  }
  return report;
}

}  // namespace signaldb
