#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace signaldb {

/// What a failure means for the caller, never where it came from. A new kind needs an ADR.
enum class ErrorKind : std::uint8_t {
  kConflict,        ///< Someone else won; nothing of ours applied. Re-read, try again.
  kUnavailable,     ///< Did not happen; the other side is away or full. Back off, try again.
  kUnknownOutcome,  ///< May have happened. Keep files, re-read to find out, never clean up.
  kInvalid,         ///< The request is wrong. Fix it; it will never succeed as it is.
  kNotFound,        ///< The named thing does not exist. Create it or correct the name.
  kCorrupt,         ///< Stored data contradicts itself. Stop this table, tell a human.
  kCancelled,       ///< A stop was asked for. Leave quietly.
  kInternal,        ///< Our bug. Report; the process may stop.
};

/// The kind as it stands in logs and metrics: "conflict", "unavailable", ...
[[nodiscard]] std::string_view ToString(ErrorKind kind);

/// A failure: what to do next, and a message for people.
///
/// Messages are lower case, have no final stop, and end in `key=value` pairs that name the thing.
struct Error {
  ErrorKind kind;
  std::string message;

  friend bool operator==(const Error&, const Error&) = default;
};

/// The value, or why there is none. Every function that returns one is `[[nodiscard]]`.
template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

/// An error to return: `return Fail(ErrorKind::kInvalid, fmt::format(...))`.
[[nodiscard]] inline std::unexpected<Error> Fail(ErrorKind kind, std::string message) {
  return std::unexpected(Error{kind, std::move(message)});
}

/// Ends the process with `what` on standard error. For broken invariants only.
[[noreturn]] void AbortBecause(const char* what, const char* file, int line);

}  // namespace signaldb

/// Returns the error of `expr` from the enclosing function, if it failed.
#define SIGNALDB_TRY(expr)                                                          \
  do {                                                                              \
    if (auto signaldb_status = (expr); !signaldb_status.has_value()) [[unlikely]] { \
      return std::unexpected(std::move(signaldb_status).error());                   \
    }                                                                               \
  } while (false)

#define SIGNALDB_CONCAT_INNER(a, b) a##b
#define SIGNALDB_CONCAT(a, b) SIGNALDB_CONCAT_INNER(a, b)

/// `SIGNALDB_ASSIGN(auto x, F())`: declares `x` from the value of `F()`, or returns its error.
#define SIGNALDB_ASSIGN(decl, expr)                                                         \
  auto SIGNALDB_CONCAT(signaldb_result_, __LINE__) = (expr);                                \
  if (!SIGNALDB_CONCAT(signaldb_result_, __LINE__).has_value()) [[unlikely]] {              \
    return std::unexpected(std::move(SIGNALDB_CONCAT(signaldb_result_, __LINE__)).error()); \
  }                                                                                         \
  decl = std::move(*SIGNALDB_CONCAT(signaldb_result_, __LINE__))

/// A broken invariant ends the process, in release builds too.
#define SIGNALDB_ASSERT(condition)                              \
  do {                                                          \
    if (!(condition)) [[unlikely]]                              \
      ::signaldb::AbortBecause(#condition, __FILE__, __LINE__); \
  } while (false)
