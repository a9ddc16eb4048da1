#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace signaldb {

// Scalars as JSON inputs write them; nothing for what is none.

/// A finite number in JSON's form, or "NaN", "Infinity", "+Inf", "-Infinity", "-Inf".
[[nodiscard]] std::optional<double> ParseDouble(std::string_view text);

/// An integer as digits, or as a number with a point or exponent whose value is one ("1e3").
template <typename T>
[[nodiscard]] std::optional<T> ParseInteger(std::string_view text);
extern template std::optional<std::int32_t> ParseInteger<std::int32_t>(std::string_view);
extern template std::optional<std::uint32_t> ParseInteger<std::uint32_t>(std::string_view);
extern template std::optional<std::int64_t> ParseInteger<std::int64_t>(std::string_view);
extern template std::optional<std::uint64_t> ParseInteger<std::uint64_t>(std::string_view);

/// Bytes in hex of any case.
[[nodiscard]] std::optional<std::string> ParseHex(std::string_view text);
/// The same into `bytes`. False if it is no hex or of another length.
[[nodiscard]] bool ParseHex(std::string_view text, std::span<char> bytes);

/// Standard or URL-safe alphabet, with or without padding, as protobuf's JSON rules accept it.
[[nodiscard]] std::optional<std::string> ParseBase64(std::string_view text);

}  // namespace signaldb
