#include "iceberg/commit/table_commit.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "iceberg/commit/parallel_writes.h"
#include "iceberg/commit/table_append.h"

namespace signaldb {

namespace {

constexpr std::string_view kModule = "iceberg";
/// A metadata file may vanish between our look at the pointer and our read of it, if somebody
/// commits and cleans up in between; more often than this it is no race.
constexpr int kLoadAttemptsMax = 5;

double Seconds(Nanos t) { return std::chrono::duration<double>(t).count(); }

/// A file that could not be written says nothing of the tables: they are untouched.
Error AsNotCommitted(Error error) {
  if (error.kind == ErrorKind::kConflict || error.kind == ErrorKind::kUnknownOutcome) {
    error.kind = ErrorKind::kUnavailable;
  }
  return error;
}

/// Sequence numbers only grow, whatever is done to a table: a smaller one means that its catalog
/// was put back, and what we committed since is in no table.
std::optional<Error> WhyOlder(const LoadedTable& now, const std::optional<LoadedTable>& seen) {
  if (!seen.has_value() || seen->metadata->table_uuid != now.metadata->table_uuid ||
      now.metadata->last_sequence_number >= seen->metadata->last_sequence_number) {
    return std::nullopt;
  }
  return Error{
      ErrorKind::kCorrupt,
      fmt::format("the catalog shows an older state of the table than before, as if it was "
                  "put back from a copy, and rows committed since are not in it; put the "
                  "newer catalog back, or restart to go on without them table={} "
                  "location={} newer={}",
                  now.table.ToText(), now.metadata_location, seen->metadata_location)};
}

/// The hexadecimal digits and dashes of an id that stay, 42 random bits and the millisecond; the
/// others tell the files of one commit apart.
constexpr std::size_t kMarkBytes = 28;
constexpr std::size_t kUuidBytes = 36;

bool DeletesOldMetadata(const TableMetadata& metadata) {
  const auto found = metadata.properties.find("write.metadata.delete-after-commit.enabled");
  return found != metadata.properties.end() && found->second == "true";
}

}  // namespace

std::string_view MarkOf(std::string_view in_flight_id) {
  return in_flight_id.size() == kUuidBytes ? in_flight_id.substr(0, kMarkBytes) : "";
}

TableCommitter::TableCommitter(const Collaborators& with, TableCommitterOptions options)
    : catalog_(with.catalog),
      io_(with.io),
      clock_(with.clock),
      random_(with.random),
      events_(with.events),
      cache_(with.cache),
      registry_(with.registry),
      options_(std::move(options)) {}

Result<LoadedTable> TableCommitter::Load(const TableIdentifier& table) {
  std::string location;
  for (int attempt = 0; attempt < kLoadAttemptsMax; ++attempt) {
    // Before the catalog is asked: other threads of ours go on while its answer is on the way.
    const std::optional<LoadedTable> seen = cache_.LastSeen(table);
    SIGNALDB_ASSIGN(std::string now, catalog_.MetadataLocation(table));
    if (now == location) break;  // Looked twice, and it stays missing.
    location = std::move(now);
    Result<std::shared_ptr<const TableMetadata>> metadata = cache_.Metadata(io_, location);
    // The cache may be all that is left of a table whose folder was moved away; nobody is to begin
    // a new one there.
    if (const auto there = io_.Open(location); metadata.has_value() && !there.has_value())
      metadata = std::unexpected(there.error());
    if (metadata.has_value()) {
      LoadedTable loaded{
          .table = table, .metadata_location = location, .metadata = *std::move(metadata)};
      if (auto older = WhyOlder(loaded, seen)) return std::unexpected(*std::move(older));
      cache_.NoteTable(loaded);
      return loaded;
    }
    if (metadata.error().kind != ErrorKind::kNotFound) {
      return std::unexpected(std::move(metadata).error());
    }
  }
  return Fail(ErrorKind::kCorrupt,
              fmt::format("the table's metadata file is missing; restore it or register another "
                          "table={} location={}",
                          table.ToText(), location));
}

Result<LoadedTable> TableCommitter::LoadForReading(const TableIdentifier& table) {
  if (std::optional<LoadedTable> fresh = cache_.FreshTable(table)) return *std::move(fresh);
  return Load(table);
}

Status TableCommitter::EnsureNamespace(const Namespace& levels) {
  SIGNALDB_ASSIGN(const bool exists, catalog_.NamespaceExists(levels));
  if (exists) return {};
  const Status created = catalog_.CreateNamespace(levels, {});
  // Somebody else was faster.
  if (!created.has_value() && created.error().kind == ErrorKind::kConflict) return {};
  return created;
}

Result<LoadedTable> TableCommitter::CreateOnce(const TableIdentifier& table,
                                               const NewTable& definition) {
  SIGNALDB_TRY(EnsureNamespace(table.levels));
  NewTable filled = definition;
  if (filled.table_uuid.empty()) filled.table_uuid = ToString(UuidV4(random_));
  if (filled.now_ms == 0) filled.now_ms = ToMillis(clock_.WallNow());
  SIGNALDB_ASSIGN(TableMetadata made, MakeTableMetadata(std::move(filled)));
  auto metadata = std::make_shared<const TableMetadata>(std::move(made));
  const std::string location =
      NextMetadataLocation(*metadata, std::nullopt, ToString(UuidV4(random_)));
  SIGNALDB_ASSIGN(const std::string bytes, EncodeMetadataFile(*metadata));
  const std::string id = ToString(UuidV7(clock_, random_));
  if (registry_ != nullptr) {
    SIGNALDB_TRY(registry_->NoteCreation(id, table, metadata->table_uuid, location));
  }
  const auto give_up = [&] {
    if (io_.Delete(location).has_value() && registry_ != nullptr) registry_->Resolve(id);
  };
  if (Status written = WriteFile(io_, location, bytes); !written.has_value()) {
    give_up();
    return std::unexpected(AsNotCommitted(std::move(written).error()));
  }
  const PointerUpdate update{.table = table, .expected = std::nullopt, .next = location};
  if (Status created = catalog_.Commit({&update, 1}); !created.has_value()) {
    // The next look decides, not this reply.
    if (created.error().kind != ErrorKind::kUnknownOutcome) give_up();
    return std::unexpected(std::move(created).error());
  }
  if (registry_ != nullptr) registry_->Resolve(id);
  LoadedTable loaded{.table = table, .metadata_location = location, .metadata = metadata};
  cache_.PutMetadata(location, metadata);
  cache_.NoteTable(loaded);
  events_.Log({.severity = Severity::kInfo,
               .module = kModule,
               .message = "table created",
               .fields = {{"table", table.ToText()}, {"location", metadata->location}}});
  return loaded;
}

Result<LoadedTable> TableCommitter::LoadOrCreate(const TableIdentifier& table,
                                                 const NewTable& definition, std::stop_token stop) {
  Error last{ErrorKind::kCancelled,
             fmt::format("stopped before the table was read table={}", table.ToText())};
  for (Backoff backoff(options_.retry, clock_, random_); backoff.Next(stop);) {
    Result<LoadedTable> loaded = Load(table);
    if (!loaded.has_value() && loaded.error().kind == ErrorKind::kNotFound) {
      loaded = CreateOnce(table, definition);
      // The winner's table is there now; no need to wait for it.
      if (!loaded.has_value() && loaded.error().kind == ErrorKind::kConflict) loaded = Load(table);
    }
    if (loaded.has_value()) return loaded;
    last = std::move(loaded).error();
    if (!IsRetryable(last.kind)) break;
  }
  return std::unexpected(std::move(last));
}

/// One logical commit over its attempts; see TableCommitter.
class TableCommitter::CommitRun {
 public:
  CommitRun(TableCommitter& owner, std::string commit_id, std::vector<TableChange> changes)
      : owner_(owner), commit_id_(std::move(commit_id)) {
    const auto named = std::ranges::find_if(
        changes, [](const TableChange& change) { return !change.in_flight_id.empty(); });
    if (named != changes.end()) {
      in_flight_id_ = named->in_flight_id;
    } else if (owner.registry_ != nullptr) {
      in_flight_id_ = ToString(UuidV7(owner.clock_, owner.random_));
      own_record_ = true;
    }
    const TableAppend::Settings settings{
        .summary = {{"signaldb.commit-id", commit_id_},
                    {"engine-name", owner.options_.engine_name},
                    {"engine-version", owner.options_.engine_version}},
        .in_flight_id = in_flight_id_};
    tables_.reserve(changes.size());
    for (TableChange& change : changes) {
      tables_.emplace_back(std::move(change), settings, owner.random_);
    }
  }

  [[nodiscard]] Result<CommitReport> Run(std::stop_token stop) {
    const Nanos begun = owner_.clock_.MonotonicNow();
    Error last{ErrorKind::kCancelled,
               fmt::format("stopped before the commit was attempted commit_id={}", commit_id_)};
    Backoff backoff(owner_.options_.retry, owner_.clock_, owner_.random_);
    Nanos failed = begun;
    while (backoff.Next(stop)) {
      attempt_ = backoff.attempts();
      if (attempt_ > 1) NoteRetry(last, owner_.clock_.MonotonicNow() - failed);
      Result<CommitReport> report = AttemptOnce();
      if (report.has_value()) {
        ResolveRecord();
        NoteApplied(*report, begun);
        return report;
      }
      last = std::move(report).error();
      failed = owner_.clock_.MonotonicNow();
      maybe_applied_ |= last.kind == ErrorKind::kUnknownOutcome;
      if (given_up_ || !IsRetryable(last.kind)) break;
    }
    // Once unsure, stay unsure: a late request may still land after our last look at the tables.
    if (maybe_applied_) {
      last.kind = ErrorKind::kUnknownOutcome;
    } else {
      for (const TableAppend& table : tables_) Delete(table.Garbage(nullptr));
      ResolveRecord();
    }
    NoteFailed(last, begun);
    return std::unexpected(std::move(last));
  }

 private:
  [[nodiscard]] Result<CommitReport> AttemptOnce() {
    std::vector<LoadedTable> bases;
    for (const TableAppend& table : tables_) {
      SIGNALDB_ASSIGN(LoadedTable base, owner_.Load(table.change().table));
      bases.push_back(std::move(base));
    }
    // All tables were in each of our attempts, so one that has ours speaks for all.
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      if (tables_[i].IsAppliedIn(bases[i])) return AppliedAsFound(std::move(bases));
    }
    if (maybe_applied_) SIGNALDB_TRY(RefuseToGuess(bases));
    if (own_record_ && !on_record_) {
      for (const LoadedTable& base : bases) {
        SIGNALDB_TRY(
            owner_.registry_->NoteCommit(in_flight_id_, base.table, base.metadata->table_uuid));
      }
      on_record_ = true;
    }
    SIGNALDB_ASSIGN(std::vector<TableAppend::Attempt> attempts, Prepare(bases));
    SIGNALDB_TRY(WriteAll(attempts));
    std::vector<PointerUpdate> updates;
    updates.reserve(attempts.size());
    for (const TableAppend::Attempt& attempt : attempts) updates.push_back(attempt.update);
    SIGNALDB_TRY(CheckBasesAreThere(bases));
    SIGNALDB_TRY(owner_.catalog_.Commit(updates));
    return AppliedAsWritten(bases, std::move(attempts));
  }

  void ResolveRecord() {
    if (on_record_ && !files_remain_) owner_.registry_->Resolve(in_flight_id_);
  }

  /// That our snapshot is not there says nothing if snapshots since were expired. Doubling the rows
  /// would be worse than not knowing.
  [[nodiscard]] Status RefuseToGuess(const std::vector<LoadedTable>& bases) {
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      if (!tables_[i].MayBeExpiredIn(bases[i])) continue;
      given_up_ = true;
      return Fail(
          ErrorKind::kUnknownOutcome,
          fmt::format("whether the commit was applied cannot be told any more, the snapshots "
                      "since were expired; look for its rows table={} commit_id={}",
                      bases[i].table.ToText(), commit_id_));
    }
    return {};
  }

  [[nodiscard]] Result<std::vector<TableAppend::Attempt>> Prepare(
      const std::vector<LoadedTable>& bases) {
    const std::int64_t now_ms = ToMillis(owner_.clock_.WallNow());
    std::vector<TableAppend::Attempt> attempts;
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      Properties properties;
      if (tables_[i].change().on_base) {
        Result<Properties> wanted = tables_[i].change().on_base(*bases[i].metadata);
        if (!wanted.has_value()) {
          given_up_ = true;
          return std::unexpected(std::move(wanted).error());
        }
        properties = *std::move(wanted);
      }
      Result<TableAppend::Attempt> attempt =
          tables_[i].Prepare(owner_.io_, owner_.cache_, bases[i], properties, now_ms);
      given_up_ |= tables_[i].hopeless();
      if (!attempt.has_value()) {
        if (attempt.error().kind == ErrorKind::kNotFound ||
            attempt.error().kind == ErrorKind::kCorrupt) {
          return std::unexpected(WhyGone(bases[i], attempt.error()));
        }
        return std::unexpected(std::move(attempt).error());
      }
      attempts.push_back(*std::move(attempt));
    }
    return attempts;
  }

  /// Bases come from a cache. Were the tables' folder moved away, our files would stand alone in a
  /// new one, and the next reader of the table would find nothing of what it had.
  [[nodiscard]] Status CheckBasesAreThere(const std::vector<LoadedTable>& bases) {
    for (const LoadedTable& base : bases) {
      const auto opened = owner_.io_.Open(base.metadata_location);
      if (opened.has_value()) continue;
      if (opened.error().kind == ErrorKind::kNotFound)
        return std::unexpected(WhyGone(base, opened.error()));
      return std::unexpected(AsNotCommitted(opened.error()));
    }
    return {};
  }

  /// A file of the base is missing or broken: either the base is no longer the base, and somebody
  /// cleaned up after it, or the table is damaged.
  [[nodiscard]] Error WhyGone(const LoadedTable& base, const Error& missing) const {
    const Result<std::string> now = owner_.catalog_.MetadataLocation(base.table);
    if (!now.has_value()) return now.error();
    if (*now != base.metadata_location) {
      return {ErrorKind::kConflict, "the table changed while it was read " + missing.message};
    }
    return {
        ErrorKind::kCorrupt,
        fmt::format("a file that the table refers to is missing or broken table={} cause=\"{}\"",
                    base.table.ToText(), missing.message)};
  }

  [[nodiscard]] Status WriteAll(std::vector<TableAppend::Attempt>& attempts) {
    std::vector<PendingFile> files;
    for (TableAppend::Attempt& attempt : attempts) {
      std::ranges::move(attempt.files, std::back_inserter(files));
      attempt.files.clear();
    }
    Status written = WriteFiles(owner_.io_, files, owner_.options_.write_threads);
    for (TableAppend& table : tables_) {
      if (written.has_value()) {
        table.FilesAreWritten();
      } else {
        table.FilesAreInDoubt();
      }
    }
    if (!written.has_value()) return std::unexpected(AsNotCommitted(std::move(written).error()));
    return {};
  }

  [[nodiscard]] CommitReport NewReport() const {
    CommitReport report{.commit_id = commit_id_, .attempts = attempt_, .lost_races = lost_races_};
    for (const TableAppend& table : tables_) report.snapshot_ids.push_back(table.snapshot_id());
    return report;
  }

  [[nodiscard]] CommitReport AppliedAsFound(std::vector<LoadedTable> tables) {
    CommitReport report = NewReport();
    report.found_by_looking = true;
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      Delete(tables_[i].Garbage(&tables[i]));
      DeleteExpired(tables_[i].ExpiryOf(tables[i]), tables[i]);
    }
    report.tables = std::move(tables);
    return report;
  }

  [[nodiscard]] CommitReport AppliedAsWritten(const std::vector<LoadedTable>& bases,
                                              std::vector<TableAppend::Attempt> attempts) {
    CommitReport report = NewReport();
    MetadataCache& cache = owner_.cache_;
    for (std::size_t i = 0; i < attempts.size(); ++i) {
      TableAppend::Attempt& attempt = attempts[i];
      cache.PutMetadata(attempt.next.metadata_location, attempt.next.metadata);
      if (attempt.manifests != nullptr) {
        cache.PutManifestList(attempt.list_location, attempt.manifests);
        if (const Snapshot* old = bases[i].metadata->current_snapshot(); old != nullptr) {
          cache.Drop(old->manifest_list);
        }
      }
      cache.Drop(bases[i].metadata_location);
      cache.NoteTable(attempt.next);
      Delete(tables_[i].Garbage(&attempt.next));
      if (DeletesOldMetadata(*attempt.next.metadata)) Delete(attempt.fallen_off_the_log);
      DeleteExpired(attempt.expiry, attempt.next);
      report.tables.push_back(std::move(attempt.next));
    }
    return report;
  }

  /// Only after the commit is certain. What is not deleted now, also after a crash, stays as an
  /// orphan.
  void DeleteExpired(const Expiry& expiry, const LoadedTable& now) {
    if (expiry.expired.empty()) return;
    const Result<std::vector<std::string>> files =
        FilesOfExpired(owner_.io_, owner_.cache_, expiry, *now.metadata);
    if (files.has_value()) {
      Delete(*files);
      return;
    }
    owner_.events_.Log({.severity = Severity::kWarning,
                        .module = kModule,
                        .message = "files of expired snapshots stay as orphans",
                        .fields = {{"commit_id", commit_id_},
                                   {"table", now.table.ToText()},
                                   {"snapshots", std::to_string(expiry.expired.size())},
                                   {"error", files.error().message}}});
  }

  /// Failures leave garbage, which is harmless; they are not worth more than a line.
  void Delete(const std::vector<std::string>& locations) {
    for (const std::string& location : locations) {
      const Status deleted = owner_.io_.Delete(location);
      if (deleted.has_value()) continue;
      files_remain_ = true;
      owner_.events_.Log({.severity = Severity::kWarning,
                          .module = kModule,
                          .message = "a file that nothing refers to could not be deleted",
                          .fields = {{"commit_id", commit_id_},
                                     {"location", location},
                                     {"error", deleted.error().message}}});
    }
  }

  void NoteRetry(const Error& why, Nanos waited) {
    lost_races_ += why.kind == ErrorKind::kConflict ? 1 : 0;
    owner_.events_.Observe("signaldb_writer_retry_backoff_seconds", Seconds(waited));
    owner_.events_.Count("signaldb_writer_commit_retries_total", 1,
                         {{"reason", ToString(why.kind)}});
    owner_.events_.Log({.severity = Severity::kWarning,
                        .module = kModule,
                        .message = "commit is attempted again",
                        .fields = {{"commit_id", commit_id_},
                                   {"attempt", std::to_string(attempt_)},
                                   {"reason", std::string(ToString(why.kind))},
                                   {"error", why.message}}});
  }

  void NoteApplied(const CommitReport& report, Nanos begun) {
    EventListener& events = owner_.events_;
    events.Count("signaldb_writer_commits_total", 1, {{"outcome", "applied"}});
    events.Observe("signaldb_writer_commit_duration_seconds",
                   Seconds(owner_.clock_.MonotonicNow() - begun));
    if (report.attempts > 1) events.Count("signaldb_writer_retry_success_total", 1);
    if (maybe_applied_) {
      events.Count("signaldb_writer_commit_reconciled_total", 1,
                   {{"result", report.found_by_looking ? "applied" : "rejected"}});
    }
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      const std::string table = tables_[i].change().table.ToText();
      events.Gauge("signaldb_writer_last_commit_timestamp_seconds",
                   Seconds(owner_.clock_.WallNow()), {{"table", table}});
      if (!events.Wants(kModule, Severity::kInfo)) continue;
      events.Log({.severity = Severity::kInfo,
                  .module = kModule,
                  .message = "commit applied",
                  .fields = {{"commit_id", commit_id_},
                             {"table", table},
                             {"attempt", std::to_string(report.attempts)},
                             {"snapshot_id", std::to_string(report.snapshot_ids[i])},
                             {"found_by_looking", report.found_by_looking ? "true" : "false"}}});
    }
  }

  void NoteFailed(const Error& error, Nanos begun) {
    const std::string_view outcome = error.kind == ErrorKind::kUnknownOutcome ? "unknown"
                                     : error.kind == ErrorKind::kConflict     ? "conflict"
                                                                              : "failed";
    owner_.events_.Count("signaldb_writer_commits_total", 1, {{"outcome", outcome}});
    owner_.events_.Observe("signaldb_writer_commit_duration_seconds",
                           Seconds(owner_.clock_.MonotonicNow() - begun));
  }

  TableCommitter& owner_;
  const std::string commit_id_;
  std::vector<TableAppend> tables_;
  int attempt_ = 0;
  int lost_races_ = 0;
  bool maybe_applied_ = false;
  bool given_up_ = false;
  std::string in_flight_id_;   // What the names of our files bear; empty: nobody looks for them.
  bool own_record_ = false;    // The registry is to be told by us.
  bool on_record_ = false;     // It was.
  bool files_remain_ = false;  // That could not be deleted.
};

Result<CommitReport> TableCommitter::Commit(const std::string& commit_id,
                                            std::vector<TableChange> changes,
                                            std::stop_token stop) {
  std::set<TableIdentifier> seen;
  for (const TableChange& change : changes) {
    SIGNALDB_TRY(CheckTableIdentifier(change.table));
    if (!seen.insert(change.table).second) {
      return Fail(ErrorKind::kInvalid, fmt::format("a table stands twice in one commit table={}",
                                                   change.table.ToText()));
    }
  }
  if (changes.empty() || changes.size() > kPointerUpdatesMax) {
    return Fail(ErrorKind::kInvalid, fmt::format("a commit takes 1 to {} tables tables={}",
                                                 kPointerUpdatesMax, changes.size()));
  }
  CommitRun run(*this, commit_id, std::move(changes));
  return run.Run(std::move(stop));
}

}  // namespace signaldb
