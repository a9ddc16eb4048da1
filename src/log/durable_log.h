#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/event_listener.h"
#include "base/file_system.h"
#include "base/random.h"
#include "log/format.h"
#include "signaldb/result.h"

namespace signaldb {

/// Where a message stands in its source. Positions of one source only grow; the first is 1.
using Position = std::uint64_t;

struct DurableLogOptions {
  std::string dir;                            ///< Absolute. Locked against other processes.
  std::uint64_t segment_bytes = 64ULL << 20;  ///< A segment is sealed once it holds this much.
  std::uint64_t bytes_max = 4ULL << 30;       ///< On disk; an append beyond it is refused.
  /// A longer record is kInvalid, as is one that is longer than half of `bytes_max`, or than
  /// `pending_bytes_max`: it would never fit.
  std::uint64_t record_bytes_max = 128ULL << 20;
  /// Waiting for an fsync; beyond it appends are refused.
  std::uint64_t pending_bytes_max = 256ULL << 20;
  /// How often a log that nobody appends to looks whether its folder is in its place and,
  /// unhealthy, tries its disk. Senders stay away from a process that is not ready, so that it
  /// would never hear that the disk is well again.
  Nanos mend_interval = std::chrono::seconds(1);
};

/// One record as the log keeps it: opaque header and body. The log knows nothing of OTLP.
struct LogRecord {
  std::string
      header;  ///< Small: tenant, dataset, signal, encoding, receive time (pipeline/log_entry.h).
  std::span<const std::byte> body;
  std::shared_ptr<const void> body_owner;  ///< Keeps `body` alive until it is durable.
};

/// What recovery found beside good records.
struct RecoveryReport {
  std::uint64_t records = 0;
  std::uint64_t torn_bytes = 0;         ///< Of an append that never finished; cut off.
  std::uint64_t quarantined_bytes = 0;  ///< Damage in the middle; copied aside, the rest kept.
  std::vector<std::string> quarantined_files;
};

/// The embedded durable log: segments of checksummed frames, group commit, trimmed after table
/// commits. log/README.md holds the format and the loop.
///
/// Positions grow, with gaps: after appends that failed, and after a crash that tore the tail.
/// The collaborators given to `Open` must outlive the log.
///
/// What names a record to the tables is its position and the identity that the position belongs to.
/// A folder that turns out to be a copy begins a new identity, see adr/0013.
///
/// Threads: thread-safe.
class DurableLog {
 public:
  /// Called once per append, from the log's own thread, in position order; must return quickly, and
  /// must not call `Close`. A refused append (too long, full, closed) is answered from inside
  /// `Append`. Success gives the record's position, after its bytes are durable. After an error the
  /// record is not acknowledged, yet a crash may leave it in the log: sent again, it may then be
  /// there twice.
  using OnDurable = std::move_only_function<void(Result<Position>)>;
  using OnRecord =
      std::function<Status(Position, std::string_view header, std::span<const std::byte> body)>;

  /// Locks the folder, checks every frame, cuts a torn tail, sets damage aside; begins a new
  /// identity if the folder is a copy of the one it was, or not known to be it. On a full disk the
  /// log opens all the same, unhealthy, so that it can be replayed and trimmed. Errors: kConflict
  /// (another process holds the folder), kCorrupt (the log's identity is unreadable), kInvalid
  /// (options out of range, the folder is none, over kIdentitiesMax), kUnavailable (I/O).
  [[nodiscard]] static Result<std::unique_ptr<DurableLog>> Open(FileSystem& files, Clock& clock,
                                                                Random& random,
                                                                EventListener& events,
                                                                DurableLogOptions options);
  virtual ~DurableLog() = default;

  /// Queues the record and returns at once. One fsync answers all that wait.
  /// `on_durable` gets: kInvalid (too long), kUnavailable (full, I/O failed, closed, or the folder
  /// is not in its place any more).
  virtual void Append(LogRecord record, OnDurable on_durable) = 0;

  /// Calls `on_record` for every record at or after `from`, in order; stops at its first error.
  /// For recovery, before the first append; later it ends at what was durable when it was called.
  /// Errors: those of `on_record`, kUnavailable (I/O).
  [[nodiscard]] virtual Status Replay(Position from, const OnRecord& on_record) = 0;

  /// Everything up to and including `position` is in the tables: whole segments below it are
  /// removed, and the position is remembered. A position past `last_durable()` counts as that one.
  /// Errors: kUnavailable (not remembered, or not removed yet; to be called again; or the folder is
  /// not in its place any more).
  [[nodiscard]] virtual Status Trim(Position position) = 0;

  /// Of the positions up to `seen`, only those in `held` (ascending) are not in the tables yet:
  /// sealed segments that hold none of them give their space back, though older ones must stay. So
  /// that one reader who cannot get rid of a record does not fill the log for all. Remembered by
  /// what is left of the segments: a crash may bring some of the records back. Errors: kUnavailable
  /// (not all of the space was given back; to be called again).
  [[nodiscard]] virtual Status ReleaseBetween(std::span<const Position> held, Position seen) = 0;

  /// Refuses new appends, finishes the queued ones, joins the thread. Idempotent.
  virtual void Close() = 0;

  /// The identities of what is not trimmed, oldest first; appends belong to the last. Never empty.
  [[nodiscard]] virtual std::vector<LogIdentity> identities() const = 0;
  /// Part of the source key of `position`, which is not trimmed.
  [[nodiscard]] virtual Uuid uuid_of(Position position) const = 0;
  /// Part of the source key of what is appended.
  [[nodiscard]] virtual Uuid uuid() const = 0;
  /// Begins a new identity at `last_durable() + 1`, because the positions from there on may stand
  /// for something else in the tables; `why` goes to the event. Before the first append. It is
  /// durable before anything appended is. Errors: kInvalid (over kIdentitiesMax).
  [[nodiscard]] virtual Result<Uuid> TakeNewIdentity(std::string_view why) = 0;
  /// The last position that `Trim` was given, as far as it is remembered (0 = none). Never too
  /// high.
  [[nodiscard]] virtual Position trimmed() const = 0;
  /// The last position that is durable, trimmed or not (0 = none).
  [[nodiscard]] virtual Position last_durable() const = 0;
  /// Bytes of all segments.
  [[nodiscard]] virtual std::uint64_t bytes_on_disk() const = 0;
  [[nodiscard]] virtual const RecoveryReport& recovery() const = 0;
  /// False after an I/O failure, until an append or, with none coming, a new segment succeeds.
  [[nodiscard]] virtual bool healthy() const = 0;
  /// Why it is not healthy; empty if it is.
  [[nodiscard]] virtual std::string trouble() const = 0;
};

}  // namespace signaldb
