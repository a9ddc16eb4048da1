#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "signaldb/result.h"

namespace signaldb {

/// No container may unpack to more than this, all blocks together: a manifest of 8 MB unpacks to
/// about 25 MB, so this is far above need and far below what would take the process down.
inline constexpr std::size_t kAvroUnpackedBytesMax = std::size_t{1} << 30;
inline constexpr std::size_t kAvroHeaderEntriesMax = 1000;
inline constexpr std::size_t kAvroSyncBytes = 16;

/// Some objects in Avro's binary form, one after the other.
struct AvroObjects {
  std::int64_t count = 0;
  std::string bytes;
};

/// How the blocks of a file are packed: the codecs "null" and "deflate".
enum class AvroPacking : std::uint8_t { kNone, kDeflate };

/// Magic and header map of an object container file. `avro.codec` is added.
[[nodiscard]] std::string EncodeAvroHeader(
    std::span<const std::pair<std::string_view, std::string_view>> entries,
    AvroPacking packing = AvroPacking::kDeflate);

/// One block with the sync marker at its end. `objects.count` is above 0, since some readers take
/// an empty block for the end of the file.
void AppendAvroBlock(std::string& out, const AvroObjects& objects, std::string_view sync,
                     AvroPacking packing = AvroPacking::kDeflate);

/// A whole file: `header`, which says `packing` too, then a block for each of `blocks`. Its sync
/// marker is a hash of the content, so equal content gives equal files.
[[nodiscard]] std::string EncodeAvroContainer(std::string_view header,
                                              std::span<const AvroObjects> blocks,
                                              AvroPacking packing = AvroPacking::kDeflate);

/// Walks an object container file, block by block.
///
/// Reads the codecs null, deflate, snappy and zstandard.
///
/// Lifetime: borrows the bytes given to Open.
/// Threads:  thread-compatible.
class AvroContainerReader {
 public:
  /// A block as it stands in the file.
  struct Block {
    std::int64_t count = 0;
    std::string_view packed;
    std::string_view framed;  ///< From the object count to the end of the sync marker.
  };
  using Header = std::map<std::string, std::string, std::less<>>;

  /// Reads the header. Errors: kCorrupt (not a container, a broken header, an unknown codec).
  [[nodiscard]] static Result<AvroContainerReader> Open(std::string_view bytes);

  [[nodiscard]] const Header& header() const { return header_; }
  /// The value of a header key; empty if it is absent.
  [[nodiscard]] std::string_view header_value(std::string_view key) const;
  [[nodiscard]] std::string_view sync() const { return sync_; }
  [[nodiscard]] std::string_view codec() const { return codec_; }

  /// The next block that is not empty; nothing at the end of the file. Errors: kCorrupt.
  [[nodiscard]] Result<std::optional<Block>> Next();
  /// The objects of `block`. The view lives until the next call of Unpack, or as long as the file's
  /// bytes. Errors: kCorrupt (also when more than kAvroUnpackedBytesMax came out in all).
  [[nodiscard]] Result<std::string_view> Unpack(const Block& block);

 private:
  AvroContainerReader() = default;

  Header header_;
  std::string_view sync_;
  std::string_view codec_;
  std::string_view rest_;
  std::string unpacked_;
  std::size_t unpacked_total_ = 0;
};

}  // namespace signaldb
