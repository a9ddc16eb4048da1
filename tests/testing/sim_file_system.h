#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/random.h"

namespace signaldb::testing {

/// The calls that are counted and can be made to fail.
enum class FileOperation : std::uint8_t {
  kOpen,
  kRead,
  kWrite,
  kSync,
  kTruncate,
  kSize,
  kRename,
  kRemove,
  kMakeDirs,
  kSyncDir,
  kList,
  kStat,
  kLock,
};

enum class FaultEffect : std::uint8_t {
  kErrorBefore,  ///< Nothing happened and the caller is told so. A failed Sync loses what it was to
                 ///< keep.
  kErrorAfter,   ///< It happened, but the caller sees an error.
  kErrorPartial,    ///< A write got half-way; any other operation as kErrorBefore.
  kPowerCutBefore,  ///< The power fails before the operation; nothing works until Crash().
  kPowerCutAfter,   ///< The power fails after it.
};

/// Which operation fails, and how.
struct FaultPlan {
  std::uint64_t at = 1;  ///< The n-th matching operation from now on, counted from 1.
  FaultEffect effect = FaultEffect::kErrorBefore;
  std::optional<FileOperation> only = std::nullopt;  ///< Counts and hits this kind alone.
  std::uint64_t times = 1;                           ///< So many matching operations in a row.
  std::string message = "simulated i/o error";
};

/// What survives a crash of what was not synced.
enum class CrashPolicy : std::uint8_t {
  kProcessKill,   ///< All of it, still unsynced: the process died, the page cache did not.
  kKeepAll,       ///< All of it, now synced.
  kLoseUnsynced,  ///< Nothing.
  kNamesOnly,     ///< New, renamed and removed names, but no data: empty or short files.
  kDataOnly,      ///< Data of files whose names were durable, but no change of names.
  kTailOnly,      ///< Names, and of each file the later half of the sectors: holes before them.
  kZeroes,        ///< Names, and file sizes; the new sectors read as zeroes.
  kRandom,        ///< Any subset of names and sectors; writes may be torn inside a sector.
};
inline constexpr CrashPolicy kCrashPolicies[] = {
    CrashPolicy::kProcessKill, CrashPolicy::kKeepAll,  CrashPolicy::kLoseUnsynced,
    CrashPolicy::kNamesOnly,   CrashPolicy::kDataOnly, CrashPolicy::kTailOnly,
    CrashPolicy::kZeroes,      CrashPolicy::kRandom};

[[nodiscard]] std::string_view ToString(FaultEffect effect);
[[nodiscard]] std::string_view ToString(CrashPolicy policy);

/// A file system in memory that is as unkind as POSIX allows.
///
/// Every file has what readers see, and what would survive a power cut; between them lies the list
/// of writes since its last Sync. Names are kept apart from data in the same way, until SyncDir. A
/// failed Sync drops its writes from that list, as Linux marks failed pages clean: they can still
/// be read, a later Sync succeeds, and a power cut loses them.
///
/// Operations are counted, so a test can fail the n-th one for n = 1, 2, ... until its work gets
/// through without a fault.
///
/// Threads: thread-safe.
class SimFileSystem final : public FileSystem {
 public:
  SimFileSystem();
  ~SimFileSystem() override;

  [[nodiscard]] Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  [[nodiscard]] Status Rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] Status Remove(const std::string& path) override;
  [[nodiscard]] Status MakeDirs(const std::string& path) override;
  [[nodiscard]] Status SyncDir(const std::string& path) override;
  [[nodiscard]] Result<std::vector<DirEntry>> List(const std::string& path) override;
  [[nodiscard]] Result<std::optional<DirEntry>> Stat(const std::string& path) override;
  [[nodiscard]] Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;

  /// Replaces the plan and starts its count.
  void Arm(FaultPlan plan);
  void Disarm();
  /// Whether the armed plan has hit at least once.
  [[nodiscard]] bool fault_fired() const;
  /// Operations tried so far, failed ones included.
  [[nodiscard]] std::uint64_t operations() const;

  /// Cuts the power now.
  void CutPower();
  /// Decides what survives, switches the power on, forgets the plan. Old handles and locks are
  /// dead.
  void Crash(CrashPolicy policy, Random& random);

  /// Whether a file still shows bytes that its failed Sync has lost.
  [[nodiscard]] bool shows_lost_data() const;

  /// All files together may hold this many bytes; a write beyond it stops where the disk is full.
  void SetCapacity(std::optional<std::uint64_t> bytes_max);

  /// Past every fault and count, for what a test looks at or breaks on purpose.
  /// A missing file reads as nothing.
  [[nodiscard]] std::optional<std::string> ReadWhole(const std::string& path) const;
  /// Makes the file and its folders durable, whatever there was before.
  void PutDurable(const std::string& path, std::string_view bytes);
  void RemoveDurable(const std::string& path);
  [[nodiscard]] std::vector<std::string> Names(const std::string& dir) const;

  struct Disk;  ///< Shared with the open handles.

 private:
  std::shared_ptr<Disk> disk_;
};

}  // namespace signaldb::testing
