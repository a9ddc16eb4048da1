#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "iceberg/schema/schema.h"
#include "signaldb/result.h"

namespace arrow {
class Array;
}

namespace signaldb {

/// How Parquet stores a value.
enum class Physical : std::uint8_t { kBool, kInt32, kInt64, kFloat, kDouble, kBytes, kFixed };

[[nodiscard]] Physical PhysicalOf(const Type& type);

/// Makes `array` one that LeafValues can look into, at every depth: widens int to long and float to
/// double, decodes dictionaries other than dictionary<int32, utf8 | binary>, gives large and view
/// strings 32-bit offsets, turns decimals into what Parquet stores. Arrays that fit already, and
/// all that the decoder makes do, are returned as they are.
///
/// Errors: kInvalid (the type does not fit `field`; names the column), kUnavailable (memory).
[[nodiscard]] Result<std::shared_ptr<arrow::Array>> Conform(const Field& field,
                                                            const std::string& name,
                                                            std::shared_ptr<arrow::Array> array);

/// A flat look into the leaf array of a conformed column. Borrows the array.
///
/// Threads: thread-compatible.
struct LeafValues {
  Physical physical = Physical::kInt32;
  std::int32_t width = 0;                 ///< Bytes of a fixed-size value; 0 for strings and bits.
  const std::int32_t* indices = nullptr;  ///< By position; nullptr if there is no dictionary.
  std::int64_t dictionary_size = 0;
  const std::uint8_t* data = nullptr;     ///< Of the dictionary if there is one.
  const std::int32_t* offsets = nullptr;  ///< Strings only.
  std::int64_t bit_offset = 0;            ///< Booleans only.

  [[nodiscard]] static LeafValues Of(const Type& type, const arrow::Array& array);

  /// The entry that stands at a position of the array.
  [[nodiscard]] std::int64_t EntryOf(std::int64_t position) const {
    return indices == nullptr ? position : indices[position];
  }
  [[nodiscard]] std::string_view Bytes(std::int64_t entry) const {
    if (physical == Physical::kBytes) {
      return {reinterpret_cast<const char*>(data) + offsets[entry],
              static_cast<std::size_t>(offsets[entry + 1] - offsets[entry])};
    }
    return {reinterpret_cast<const char*>(data) + entry * width, static_cast<std::size_t>(width)};
  }
  template <typename T>
  [[nodiscard]] const T* As() const {
    return reinterpret_cast<const T*>(data);
  }
};

}  // namespace signaldb
