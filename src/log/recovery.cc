#include "log/recovery.h"

#include <algorithm>
#include <limits>
#include <ranges>
#include <utility>

#include <fmt/format.h>

#include "log/state_file.h"

namespace signaldb {
namespace {

constexpr std::string_view kModule = "log";
constexpr std::string_view kQuarantinePrefix = "quarantine-";
constexpr std::size_t kCopyBytes = 1 << 20;
/// Larger numbers in names are no work of ours; keeps sums from overflowing.
constexpr std::uint64_t kNumberMax = std::numeric_limits<std::uint64_t>::max() / 4;

void Tell(EventListener& events, Severity severity, std::string message,
          std::vector<std::pair<std::string_view, std::string>> fields) {
  events.Log({.severity = severity,
              .module = kModule,
              .message = std::move(message),
              .fields = std::move(fields)});
}

/// All I/O trouble of recovery means the same: try again later.
template <typename T>
[[nodiscard]] Result<T> OrUnavailable(Result<T> result) {
  if (result.has_value()) return result;
  return Fail(ErrorKind::kUnavailable, std::move(result).error().message);
}

/// What the segments after the one being scanned say about it.
struct Successors {
  Position limit = kNumberMax;  ///< Records from here on are superseded.
  std::optional<Position>
      previous;  ///< Last position that was there before the next one; none: it is the last.
};

struct Scan {
  SealedSegment segment;
  bool header_good = false;
  bool foreign = false;
  Position previous = 0;
  std::uint64_t records = 0;
  std::uint64_t torn_bytes = 0;
  std::vector<SegmentRepair> repairs;
};

class Recovery {
 public:
  Recovery(FileSystem& files, Random& random, EventListener& events, const std::string& dir,
           const FileId& lock)
      : files_(files), random_(random), events_(events), dir_(dir), lock_(lock) {}

  [[nodiscard]] Result<RecoveredLog> Run() {
    SIGNALDB_TRY(ListSegments());
    SIGNALDB_TRY(FindIdentity());
    SIGNALDB_TRY(ScanSegments());
    SIGNALDB_TRY(SyncNewest());
    SIGNALDB_TRY(ReadCursor());
    SIGNALDB_TRY(SettleIdentities());
    for (const SealedSegment& segment : log_.segments) {
      log_.next_sequence = std::max(log_.next_sequence, segment.id.sequence + 1);
    }
    return std::move(log_);
  }

 private:
  [[nodiscard]] std::string PathOf(std::string_view name) const {
    return fmt::format("{}/{}", dir_, name);
  }

  [[nodiscard]] Status ListSegments() {
    SIGNALDB_ASSIGN(const std::vector<DirEntry> entries, OrUnavailable(files_.List(dir_)));
    for (const DirEntry& entry : entries) {
      if (entry.name.ends_with(kUnfinishedSuffix)) {
        // Of a crash; if it cannot be removed now, it is replaced or removed later.
        [[maybe_unused]] const Status removed = files_.Remove(PathOf(entry.name));
        continue;
      }
      const auto id = ParseSegmentName(entry.name);
      if (id.has_value() && id->sequence < kNumberMax && id->base < kNumberMax) ids_.push_back(*id);
    }
    std::ranges::sort(ids_);
    return {};
  }

  [[nodiscard]] Status FindIdentity() {
    SIGNALDB_ASSIGN(const IdentityRead identity,
                    ReadIdentityFile(files_, PathOf(kIdentityFileName)));
    if (ids_.empty()) return MakeIdentity();
    if (identity.found == StateFound::kGood) {
      log_.uuid = identity.file.log;
      known_ = identity.file;
      return {};
    }
    SIGNALDB_ASSIGN(const std::optional<Uuid> witness, FindWitness());
    if (!witness.has_value()) {
      return Fail(
          ErrorKind::kCorrupt,
          fmt::format("the log's identity is unreadable, restore the file from a backup path={}",
                      PathOf(kIdentityFileName)));
    }
    log_.uuid = *witness;
    Tell(events_, Severity::kWarning,
         "identity of the log was lost and is restored from its segments",
         {{"uuid", ToString(log_.uuid)}, {"dir", dir_}});
    return {};
  }

  /// A folder without segments never handed out a position, or has lost those that it did: in both
  /// cases new positions must not be taken for old ones, hence a new name.
  [[nodiscard]] Status MakeIdentity() {
    SIGNALDB_ASSIGN(const StateRead cursor,
                    ReadStateFile(files_, PathOf(kCursorFileName), StateKind::kCursor));
    log_.uuid = UuidV4(random_);
    known_ = {.log = log_.uuid, .lock = {}, .identities = {{.uuid = log_.uuid}}};
    if (cursor.found != StateFound::kMissing) {
      Tell(events_, Severity::kError, "the log has lost all its segments and begins anew",
           {{"uuid", ToString(log_.uuid)}, {"dir", dir_}});
    }
    return {};
  }

  /// Segments know best whose records they hold. The file knows the identity of what comes next,
  /// unless there is reason to doubt that this folder is the one it was written for.
  [[nodiscard]] Status SettleIdentities() {
    std::vector<LogIdentity>& identities = log_.identities;
    for (SealedSegment& segment : log_.segments) {
      if (segment.source == Uuid{}) segment.source = GuessSource(segment);
      if (segment.last == 0) continue;
      if (identities.empty() || identities.back().uuid != segment.source)
        identities.push_back({.uuid = segment.source, .first = segment.id.base});
    }
    const std::string_view why = WhyNewIdentity();
    if (!why.empty()) {
      if (identities.empty()) {
        identities.push_back(known_.identities.empty() ? LogIdentity{.uuid = log_.uuid}
                                                       : known_.identities.back());
      }
      SIGNALDB_TRY(BeginIdentity(random_, events_, dir_, why, log_.last, identities));
    } else if (identities.empty() || identities.back().uuid != known_.identities.back().uuid) {
      identities.push_back({.uuid = known_.identities.back().uuid, .first = log_.last + 1});
    }
    RetireIdentities(identities, log_.trimmed);
    log_.identity_changed = known_.lock != lock_ || known_.identities.empty() ||
                            known_.identities.back().uuid != identities.back().uuid;
    return {};
  }

  /// Of a segment whose header is damaged.
  [[nodiscard]] Uuid GuessSource(const SealedSegment& segment) const {
    if (!known_.identities.empty()) return IdentityOf(known_.identities, segment.id.base).uuid;
    if (!log_.identities.empty()) return log_.identities.back().uuid;
    return log_.uuid;
  }

  [[nodiscard]] std::string_view WhyNewIdentity() const {
    if (known_.identities.empty()) return "its identity was lost";
    if (known_.lock != FileId{} && known_.lock != lock_)
      return "its folder is a copy, or its disk was mounted anew";
    const LogIdentity& current = known_.identities.back();
    if (!log_.identities.empty() && log_.identities.back().uuid != current.uuid &&
        current.first <= log_.last) {
      return "its files are of more than one copy of the folder";
    }
    return "";
  }

  /// Who else knows which log this is.
  [[nodiscard]] Result<std::optional<Uuid>> FindWitness() {
    for (const SegmentId& id : ids_) {
      SIGNALDB_ASSIGN(const auto file,
                      OrUnavailable(files_.Open(PathOf(SegmentName(id)), OpenMode::kRead)));
      SIGNALDB_ASSIGN(const SegmentReader reader, SegmentReader::Make(*file, {}, id));
      const auto& header = reader.header();
      if (header.has_value() && header->id == id) return header->uuid;
    }
    SIGNALDB_ASSIGN(const StateRead cursor,
                    ReadStateFile(files_, PathOf(kCursorFileName), StateKind::kCursor));
    if (cursor.found == StateFound::kGood) return cursor.state.uuid;
    return std::nullopt;
  }

  /// From the newest to the oldest, since a segment says what is superseded in those before it.
  [[nodiscard]] Status ScanSegments() {
    Successors after;
    Position floor = 0;        // no position up to here is free
    std::uint64_t unread = 0;  // so many positions at most were given to what is torn now
    bool any_of_ours = ids_.empty();
    for (const SegmentId& id : ids_ | std::views::reverse) {
      SIGNALDB_ASSIGN(Scan scan, ScanSegment(id, after));
      if (scan.foreign) {
        Take(std::move(scan));
        continue;
      }
      any_of_ours = true;
      if (!newest_.has_value() && scan.torn_bytes > 0)
        unread += 1 + scan.torn_bytes / kFrameHeaderBytes;
      floor = std::max({floor, scan.segment.last, id.base > 0 ? id.base - 1 : 0});
      // A file whose creation was cut short says nothing about the others.
      if (scan.header_good || scan.segment.last > 0) {
        if (!newest_.has_value()) newest_ = scan.segment;
        log_.last = std::max({log_.last, scan.segment.last, scan.previous});
        after.limit = std::min(after.limit, id.base);
        after.previous = scan.header_good ? scan.previous : (id.base > 0 ? id.base - 1 : 0);
      }
      Take(std::move(scan));
    }
    if (!any_of_ours) {
      return Fail(ErrorKind::kCorrupt,
                  fmt::format("the log's identity is of another log than all its segments path={}",
                              PathOf(kIdentityFileName)));
    }
    std::ranges::reverse(log_.segments);
    std::ranges::reverse(log_.repairs);
    log_.next = floor + unread + 1;
    return {};
  }

  void Take(Scan scan) {
    log_.report.records += scan.records;
    log_.report.torn_bytes += scan.torn_bytes;
    for (const SegmentRepair& repair : scan.repairs) {
      if (repair.kind != SegmentRepair::Kind::kCutTail)
        log_.report.quarantined_bytes += repair.range.bytes;
    }
    if (!scan.foreign) log_.segments.push_back(std::move(scan.segment));
    std::ranges::move(scan.repairs, std::back_inserter(log_.repairs));
  }

  [[nodiscard]] Result<Scan> ScanSegment(const SegmentId& id, const Successors& after) {
    Scan scan;
    scan.segment = {.id = id, .path = PathOf(SegmentName(id)), .limit = after.limit};
    SIGNALDB_ASSIGN(const auto file,
                    OrUnavailable(files_.Open(scan.segment.path, OpenMode::kRead)));
    SIGNALDB_ASSIGN(SegmentReader reader, SegmentReader::Make(*file, log_.uuid, id));
    scan.segment.bytes = reader.file_bytes();
    if (const auto& header = reader.header(); header.has_value()) {
      scan.header_good = header->uuid == log_.uuid && header->id == id;
      scan.foreign = !scan.header_good;
      if (scan.header_good) {
        scan.previous = header->previous;
        scan.segment.source = header->source;
        scan.segment.header_bytes = header->bytes;
      }
    }
    if (scan.foreign) {
      scan.repairs.push_back(
          MakeRepair(SegmentRepair::Kind::kRemove, scan, {0, reader.file_bytes()}));
      return scan;
    }
    SIGNALDB_TRY(ScanFrames(reader, after, scan));
    // Released: it stays for what it supersedes as long as it would have with its records.
    const bool superseded = after.previous.has_value() && *after.previous >= id.base;
    if (scan.header_good && scan.segment.last == 0 && superseded)
      scan.segment.last = std::min(*after.previous, after.limit - 1);
    if (!scan.header_good && scan.segment.last > 0) {
      scan.repairs.push_back(
          MakeRepair(SegmentRepair::Kind::kSetAside, scan, {0, reader.header_bytes()}));
    }
    return scan;
  }

  [[nodiscard]] static SegmentRepair MakeRepair(SegmentRepair::Kind kind, const Scan& scan,
                                                ByteRange range) {
    return {.kind = kind, .id = scan.segment.id, .path = scan.segment.path, .range = range};
  }

  [[nodiscard]] Status ScanFrames(SegmentReader& reader, const Successors& after, Scan& scan) {
    ByteRange damage;  // not yet known to have anything good behind it; empty if there is none
    std::uint64_t end = reader.file_bytes();
    while (true) {
      SIGNALDB_ASSIGN(const SegmentItem item, reader.Next());
      if (item.kind == SegmentItem::Kind::kEnd) break;
      if (item.kind == SegmentItem::Kind::kDamage) {
        damage = item.range;
        continue;
      }
      if (item.kind == SegmentItem::Kind::kRecord) {
        if (item.position >= after.limit) {
          if (damage.bytes == 0) end = item.range.offset;
          break;
        }
        ++scan.records;
      }
      // The mark names the last position, too: the record itself may be among the damage.
      scan.segment.last = std::max(scan.segment.last, std::min(item.position, after.limit - 1));
      if (damage.bytes > 0) {
        scan.repairs.push_back(MakeRepair(SegmentRepair::Kind::kSetAside, scan, damage));
      }
      damage = {};
    }
    const bool complete = !after.previous.has_value() || scan.segment.last >= *after.previous ||
                          scan.segment.id.base > *after.previous;
    if (damage.bytes > 0 && !complete) {
      scan.repairs.push_back(MakeRepair(SegmentRepair::Kind::kSetAside, scan, damage));
    } else if (damage.bytes > 0 || end < reader.file_bytes()) {
      const std::uint64_t from = damage.bytes > 0 ? damage.offset : end;
      const ByteRange tail{from, reader.file_bytes() - from};
      scan.torn_bytes = tail.bytes;
      scan.repairs.push_back(MakeRepair(SegmentRepair::Kind::kCutTail, scan, tail));
    }
    return {};
  }

  /// What a killed process left in the page cache may still be lost; nobody may act on it before it
  /// is safe. Older segments were synced before a newer one came to be.
  [[nodiscard]] Status SyncNewest() {
    if (!newest_.has_value() || newest_->last == 0) return {};
    SIGNALDB_ASSIGN(const auto file, OrUnavailable(files_.Open(newest_->path, OpenMode::kWrite)));
    return OrUnavailable(file->Sync());
  }

  [[nodiscard]] Status ReadCursor() {
    const std::string path = PathOf(kCursorFileName);
    SIGNALDB_ASSIGN(const StateRead cursor, ReadStateFile(files_, path, StateKind::kCursor));
    if (cursor.found == StateFound::kMissing) return {};
    const bool ours = cursor.found == StateFound::kGood && cursor.state.uuid == log_.uuid;
    if (!ours || cursor.state.value > kNumberMax) {
      Tell(events_, Severity::kWarning, "the log's cursor is unreadable, more is replayed",
           {{"path", path}});
      return {};
    }
    if (cursor.state.value >= log_.next) {
      // Segments are gone. Their positions may stand in tables, so they stay used.
      Tell(events_, Severity::kError,
           "the log's cursor is ahead of its records, segments were lost",
           {{"path", path},
            {"cursor", fmt::to_string(cursor.state.value)},
            {"last", fmt::to_string(log_.last)}});
      log_.next = cursor.state.value + 1;
      return {};
    }
    log_.trimmed = cursor.state.value;
    log_.last = std::max(log_.last, log_.trimmed);
    return {};
  }

  FileSystem& files_;
  Random& random_;
  EventListener& events_;
  const std::string& dir_;
  const FileId lock_;
  IdentityFile known_;  ///< What the file says; without identities if it is lost.
  std::vector<SegmentId> ids_;
  std::optional<SealedSegment> newest_;  ///< Of those that count.
  RecoveredLog log_;
};

[[nodiscard]] Status CutTail(FileSystem& files, const SegmentRepair& repair) {
  SIGNALDB_ASSIGN(const auto file, files.Open(repair.path, OpenMode::kWrite));
  SIGNALDB_TRY(file->Truncate(repair.range.offset));
  return file->Sync();
}

[[nodiscard]] Status CopyRange(FileSystem& files, File& from, const ByteRange& range,
                               const std::string& path) {
  if (const Status removed = files.Remove(path);
      !removed.has_value() && removed.error().kind != ErrorKind::kNotFound) {
    return removed;
  }
  SIGNALDB_ASSIGN(const auto to, files.Open(path, OpenMode::kCreateNew));
  std::vector<std::byte> buffer(std::min<std::uint64_t>(range.bytes, kCopyBytes));
  for (std::uint64_t done = 0; done < range.bytes;) {
    const std::span<std::byte> part =
        std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), range.bytes - done));
    SIGNALDB_ASSIGN(const std::size_t count, from.ReadAt(range.offset + done, part));
    if (count == 0) break;
    SIGNALDB_TRY(to->WriteAt(done, part.first(count)));
    done += count;
  }
  return to->Sync();
}

/// Copies the bytes durably before they are overwritten by a mark that they are a hole.
[[nodiscard]] Status SetAside(FileSystem& files, const Uuid& uuid, const Uuid& source,
                              const SegmentRepair& repair, const std::string& path) {
  SIGNALDB_ASSIGN(const auto file, files.Open(repair.path, OpenMode::kWrite));
  const std::string unfinished = path + std::string(kUnfinishedSuffix);
  SIGNALDB_TRY(CopyRange(files, *file, repair.range, unfinished));
  SIGNALDB_TRY(files.Rename(unfinished, path));
  SIGNALDB_TRY(files.SyncDir(ParentDir(path)));
  if (repair.range.offset == 0) {
    // What was there before this segment is not known any more; nothing missing is the milder
    // guess.
    SIGNALDB_TRY(file->WriteAt(0, EncodeSegmentHeader({.uuid = uuid,
                                                       .id = repair.id,
                                                       .previous = 0,
                                                       .source = source,
                                                       .bytes = repair.range.bytes})));
    return file->Sync();
  }
  if (repair.range.bytes < kFrameHeaderBytes)
    return {};  // no room for the mark; found again next time
  const FrameHeader hole{
      .type = FrameType::kHole,
      .body_bytes = static_cast<std::uint32_t>(repair.range.bytes - kFrameHeaderBytes)};
  SIGNALDB_TRY(
      file->WriteAt(repair.range.offset,
                    EncodeFrameHeader(hole, SegmentSeed(uuid, repair.id), repair.range.offset)));
  return file->Sync();
}

[[nodiscard]] std::string_view WhatHappened(SegmentRepair::Kind kind) {
  switch (kind) {
    case SegmentRepair::Kind::kCutTail:
      return "unfinished append was cut off";
    case SegmentRepair::Kind::kSetAside:
      return "damaged bytes were set aside, records may be lost";
    case SegmentRepair::Kind::kRemove:
      return "segment of another log was set aside";
  }
  return "";
}

}  // namespace

Result<RecoveredLog> RecoverLog(FileSystem& files, Random& random, EventListener& events,
                                const std::string& dir, const FileId& lock) {
  return Recovery(files, random, events, dir, lock).Run();
}

// NOLINTNEXTLINE(readability-function-size): what both a start and a running log have at hand.
Status BeginIdentity(Random& random, EventListener& events, const std::string& dir,
                     std::string_view why, Position last, std::vector<LogIdentity>& identities) {
  if (identities.size() >= kIdentitiesMax) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("the log was copied too often without being emptied, set its folder "
                            "aside and use a new one dir={}",
                            dir));
  }
  const Uuid before = identities.back().uuid;
  // One without a record is not needed any more.
  if (identities.back().first > last) identities.pop_back();
  identities.push_back({.uuid = UuidV4(random), .first = last + 1});
  Tell(events, Severity::kWarning, "the log begins a new identity for new requests",
       {{"why", std::string(why)},
        {"old", ToString(before)},
        {"new", ToString(identities.back().uuid)},
        {"after_position", fmt::to_string(last)},
        {"dir", dir}});
  return {};
}

const LogIdentity& IdentityOf(const std::vector<LogIdentity>& identities, Position position) {
  const auto after =
      std::ranges::upper_bound(identities, position, std::ranges::less(), &LogIdentity::first);
  return after == identities.begin() ? *after : *std::prev(after);
}

void RetireIdentities(std::vector<LogIdentity>& identities, Position trimmed) {
  while (identities.size() > 1 && identities[1].first <= trimmed + 1)
    identities.erase(identities.begin());
}

void RepairLog(FileSystem& files, EventListener& events, const std::string& dir,
               RecoveredLog& log) {
  for (const SegmentRepair& repair : log.repairs) {
    const std::string aside =
        repair.kind == SegmentRepair::Kind::kRemove
            ? fmt::format("{}/{}{}", dir, kQuarantinePrefix, SegmentName(repair.id))
            : fmt::format("{}/{}{:020}-{}", dir, kQuarantinePrefix, repair.id.sequence,
                          repair.range.offset);
    const auto segment = std::ranges::find(log.segments, repair.path, &SealedSegment::path);
    Status done;
    switch (repair.kind) {
      case SegmentRepair::Kind::kCutTail:
        done = CutTail(files, repair);
        break;
      case SegmentRepair::Kind::kSetAside:
        done = SetAside(files, log.uuid, segment->source, repair, aside);
        break;
      case SegmentRepair::Kind::kRemove:
        done = files.Rename(repair.path, aside);
        break;
    }
    if (repair.kind != SegmentRepair::Kind::kCutTail) {
      events.Count("signaldb_writer_log_quarantined_bytes_total",
                   static_cast<double>(repair.range.bytes));
      if (done.has_value()) log.report.quarantined_files.push_back(aside);
      // The only copy of the damaged bytes is to stay until they would have been trimmed.
      if (!done.has_value() && segment != log.segments.end()) segment->last = segment->limit - 1;
    } else if (done.has_value() && segment != log.segments.end()) {
      segment->bytes = repair.range.offset;
    }
    Tell(events, repair.kind == SegmentRepair::Kind::kCutTail ? Severity::kInfo : Severity::kError,
         std::string(WhatHappened(repair.kind)),
         {{"path", repair.path},
          {"offset", fmt::to_string(repair.range.offset)},
          {"bytes", fmt::to_string(repair.range.bytes)},
          {"set_aside", repair.kind == SegmentRepair::Kind::kCutTail ? "" : aside},
          {"error", done.has_value() ? "" : done.error().message}});
  }
}

}  // namespace signaldb
