#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace signaldb {

// Most JSON cells are plain: an object whose values are texts without escapes, short integers,
// booleans and nulls, or one such text. They are written as OTLP in one pass, without a JsonTree.
//
// Both functions append to `bytes` exactly what JsonTree and JsonAnyValueWriter would write, and
// return true; or append nothing, and return false: then the text is not plain, or no JSON at all,
// and the tree has to tell.

/// Texts up to so long are tried: beyond, the tree costs little beside the text itself.
inline constexpr std::size_t kFlatJsonBytesMax = std::size_t{64} << 10;

/// The members of a JSON object as KeyValues in repeated field `tag`, which is below 16.
[[nodiscard]] bool AppendFlatAttributes(std::string_view json, std::uint32_t tag,
                                        std::string& bytes);

/// A JSON string as an AnyValue in field `tag`, which is below 16.
[[nodiscard]] bool AppendFlatText(std::string_view json, std::uint32_t tag, std::string& bytes);

}  // namespace signaldb
