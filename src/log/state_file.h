#pragma once

#include <optional>
#include <string>

#include "base/file_system.h"
#include "log/format.h"

namespace signaldb {

inline constexpr std::string_view kIdentityFileName = "identity";
inline constexpr std::string_view kCursorFileName = "cursor";
/// Ends the name of a file that is not finished; removed at the next start.
inline constexpr std::string_view kUnfinishedSuffix = ".tmp";

/// Replaces `path` atomically and durably by a file of these bytes: a reader finds the old one or
/// the new one, whole. Errors: kUnavailable (the old one may or may not have been replaced).
[[nodiscard]] Status ReplaceFile(FileSystem& files, const std::string& path,
                                 std::span<const std::byte> bytes);

enum class StateFound : std::uint8_t { kMissing, kDamaged, kGood };

struct StateRead {
  StateFound found = StateFound::kMissing;
  StateFile state;  ///< If kGood.
};

struct IdentityRead {
  StateFound found = StateFound::kMissing;
  IdentityFile file;  ///< If kGood.
};

/// Errors: kUnavailable (I/O).
[[nodiscard]] Result<IdentityRead> ReadIdentityFile(FileSystem& files, const std::string& path);

/// Errors: kUnavailable (I/O).
[[nodiscard]] Result<StateRead> ReadStateFile(FileSystem& files, const std::string& path,
                                              StateKind kind);

}  // namespace signaldb
