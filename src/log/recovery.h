#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_listener.h"
#include "base/file_system.h"
#include "base/random.h"
#include "log/durable_log.h"
#include "log/segment_reader.h"

namespace signaldb {

/// A segment that is written to no more.
struct SealedSegment {
  SegmentId id;
  std::string path;
  std::uint64_t bytes = 0;
  std::uint64_t header_bytes = kSegmentHeaderBytes;  ///< Of `bytes`, what is no record.
  Position last = 0;  ///< The last position it is known to have held; 0 if none.
  Position limit =
      0;          ///< Records from here on were written again elsewhere, or never acknowledged.
  Uuid source{};  ///< The identity of its records.
};

/// Bytes of a segment that are no records, and what is to be done about them.
struct SegmentRepair {
  enum class Kind : std::uint8_t {
    kCutTail,   ///< Of an append that never finished.
    kSetAside,  ///< Damage: copied to a file of its own, then marked as a hole.
    kRemove,    ///< A segment of another log: renamed, so that it is no segment any more.
  };
  Kind kind;
  SegmentId id;
  std::string path;
  ByteRange range;
};

/// What a folder holds.
struct RecoveredLog {
  Uuid uuid{};  ///< Ties the files together; of new positions it says nothing.
  std::vector<LogIdentity> identities;  ///< Of what is not trimmed, oldest first; never empty.
  /// The file says something else; to be replaced before anything is appended.
  bool identity_changed = false;
  Position trimmed = 0;
  Position last = 0;  ///< The last good record, or where an older log ended; 0 if none.
  /// Greater than every position that may ever have been handed out.
  Position next = 1;
  std::uint64_t next_sequence = 1;
  std::vector<SealedSegment> segments;  ///< In order.
  std::vector<SegmentRepair> repairs;
  RecoveryReport report;
};

/// Finds out what is in the folder; changes nothing but leftovers. The bytes it relies on are
/// durable when it returns. Whether the folder is a copy is seen by `lock`, the lock file that is
/// held. Errors: kCorrupt (identity unreadable), kUnavailable (I/O), kInvalid (too many
/// identities).
[[nodiscard]] Result<RecoveredLog> RecoverLog(FileSystem& files, Random& random,
                                              EventListener& events, const std::string& dir,
                                              const FileId& lock);

/// Begins a new identity after the last record, and tells it. Errors: kInvalid (too many).
[[nodiscard]] Status BeginIdentity(Random& random, EventListener& events, const std::string& dir,
                                   std::string_view why, Position last,
                                   std::vector<LogIdentity>& identities);
/// The identity that `position` belongs to; of `identities`, which are not empty.
[[nodiscard]] const LogIdentity& IdentityOf(const std::vector<LogIdentity>& identities,
                                            Position position);
/// Takes away those whose records are all trimmed, but for the last.
void RetireIdentities(std::vector<LogIdentity>& identities, Position trimmed);

/// Carries out the repairs and adds their files to the report. To be called once a newer segment is
/// durable: it remembers the positions that a cut tail may have used. What fails is reported as an
/// event and found again at the next start.
void RepairLog(FileSystem& files, EventListener& events, const std::string& dir, RecoveredLog& log);

}  // namespace signaldb
