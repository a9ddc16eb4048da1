#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "service/configuration.h"

namespace signaldb {

/// What may stand as the value of a key.
enum class KeyType : std::uint8_t {
  kText,           ///< Anything, possibly nothing.
  kName,           ///< A tenant's or dataset's id.
  kSecret,         ///< As kText, but ASCII without blanks, and never shown.
  kPassword,       ///< Any one line of text, never shown.
  kPath,           ///< Of a file or folder; relative to the working directory.
  kAddress,        ///< "127.0.0.1:4317"; port 0 lets the system choose.
  kAddressOrNone,  ///< As kAddress, or nothing: off.
  kChoice,         ///< One of `choices`.
  kBoolean,        ///< true or false.
  kInteger,        ///< A whole number.
  kNumber,         ///< A number.
  kBytes,          ///< "64MiB", or a bare integer.
  kDuration,       ///< "5s", "100ms"; a unit is needed.
  kMilliseconds,   ///< A bare integer, as the key's name says; or with a unit.
  kSeconds,        ///< A bare integer, as the key's name says; or with a unit.
  kTimestamp,      ///< "2000-01-01T00:00:00Z".
  kLevels,         ///< "info,writer=debug".
};

/// Where the value of a key goes.
using KeyField =
    std::variant<std::string& (*)(ServiceConfiguration&), std::int64_t& (*)(ServiceConfiguration&),
                 int& (*)(ServiceConfiguration&), double& (*)(ServiceConfiguration&),
                 bool& (*)(ServiceConfiguration&), Nanos& (*)(ServiceConfiguration&),
                 std::chrono::milliseconds& (*)(ServiceConfiguration&),
                 CatalogType& (*)(ServiceConfiguration&), LogFormat& (*)(ServiceConfiguration&),
                 Signal& (*)(ServiceConfiguration&)>;

/// Whether values of the type are never shown.
constexpr bool IsHidden(KeyType type) {
  return type == KeyType::kSecret || type == KeyType::kPassword;
}

/// One key: the table of these drives parsing, validation, documentation and what is shown.
struct ConfigurationKey {
  std::string_view name;  ///< "section.key".
  KeyType type;
  std::string_view default_text;
  std::string_view help;
  KeyField field;
  /// Of kChoice: "text|json", in the order of the enumerators if the field is an enumeration.
  std::string_view choices = {};
  /// Of numbers, bytes, and durations in milliseconds: the smallest and the largest that work.
  double least = 0;
  double most = static_cast<double>(std::numeric_limits<std::int32_t>::max());
};

/// Every key that this build knows, in the order of the documentation.
[[nodiscard]] std::span<const ConfigurationKey> ConfigurationKeys();

/// The key of this name, with numbers in it if it is one of a block; or nullptr.
[[nodiscard]] const ConfigurationKey* FindConfigurationKey(std::string_view name);

/// What may stand as the value of `key` in a TOML file: "a path in quotes".
[[nodiscard]] std::string ExpectedInToml(const ConfigurationKey& key);

/// A key that is refused with a reason: it belongs to something this build does not have, or to
/// another program's file. Empty if `name` is not one of those.
[[nodiscard]] std::string WhyRefused(std::string_view name);

/// The documentation of all keys: docs/reference/configuration.md.
[[nodiscard]] std::string ConfigurationReference();

/// The row of `key` in a table of the documentation; `default_text` in the place of the default.
[[nodiscard]] std::string ReferenceRow(const ConfigurationKey& key,
                                       std::string_view default_text = {});

/// Sets the field of `key` in `into` from `text`.
/// Errors: kInvalid; the message says only what was expected.
[[nodiscard]] Status SetFromText(const ConfigurationKey& key, std::string_view text,
                                 ServiceConfiguration& into);

}  // namespace signaldb
