#include "iceberg/avro/avro_container.h"

#include <algorithm>

#include <fmt/format.h>

#include "iceberg/avro/avro_codec.h"
#include "iceberg/avro/avro_encoding.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace signaldb {
namespace {

constexpr std::string_view kMagic("Obj\1", 4);
constexpr std::string_view kCodecKey = "avro.codec";

std::string SyncMarkerOf(std::string_view header, std::span<const AvroObjects> blocks) {
  XXH128_hash_t hash = XXH3_128bits(header.data(), header.size());
  for (const AvroObjects& block : blocks) {
    const XXH128_hash_t next =
        XXH3_128bits_withSeed(block.bytes.data(), block.bytes.size(), hash.low64);
    hash.low64 = next.low64;
    hash.high64 ^= next.high64;
  }
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  return {reinterpret_cast<const char*>(canonical.digest), sizeof(canonical.digest)};
}

Result<AvroContainerReader::Header> DecodeHeader(AvroDecoder& decoder) {
  AvroContainerReader::Header header;
  // A pair is two lengths at the least.
  while (const std::uint64_t count = decoder.ReadBlockCount(2)) {
    if (count > kAvroHeaderEntriesMax - header.size()) {
      return Fail(ErrorKind::kCorrupt,
                  fmt::format("avro header has too many entries limit={}", kAvroHeaderEntriesMax));
    }
    for (std::uint64_t i = 0; i < count; ++i) {
      std::string key(decoder.ReadBytes());
      header.insert_or_assign(std::move(key), std::string(decoder.ReadBytes()));
    }
  }
  if (!decoder.ok()) {
    return Fail(ErrorKind::kCorrupt, fmt::format("avro header is broken: {}", decoder.fault()));
  }
  return header;
}

}  // namespace

std::string EncodeAvroHeader(std::span<const std::pair<std::string_view, std::string_view>> entries,
                             AvroPacking packing) {
  std::string out(kMagic);
  AvroEncoder encoder(out);
  encoder.WriteLong(static_cast<std::int64_t>(entries.size() + 1));
  for (const auto& [key, value] : entries) {
    encoder.WriteBytes(key);
    encoder.WriteBytes(value);
  }
  encoder.WriteBytes(kCodecKey);
  encoder.WriteBytes(packing == AvroPacking::kNone ? kAvroNoCodec : kAvroDeflate);
  encoder.WriteLong(0);
  return out;
}

void AppendAvroBlock(std::string& out, const AvroObjects& objects, std::string_view sync,
                     AvroPacking packing) {
  SIGNALDB_ASSERT(objects.count > 0);
  SIGNALDB_ASSERT(sync.size() == kAvroSyncBytes);
  AvroEncoder encoder(out);
  encoder.WriteLong(objects.count);
  if (packing == AvroPacking::kNone) {
    encoder.WriteBytes(objects.bytes);
  } else {
    encoder.WriteBytes(DeflateRaw(objects.bytes));
  }
  encoder.WriteFixed(sync);
}

std::string EncodeAvroContainer(std::string_view header, std::span<const AvroObjects> blocks,
                                AvroPacking packing) {
  const std::string sync = SyncMarkerOf(header, blocks);
  std::string out(header);
  out.append(sync);
  for (const AvroObjects& block : blocks) AppendAvroBlock(out, block, sync, packing);
  return out;
}

Result<AvroContainerReader> AvroContainerReader::Open(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) {
    return Fail(ErrorKind::kCorrupt, "not an avro container: the magic bytes are missing");
  }
  AvroDecoder decoder(bytes.substr(kMagic.size()));
  AvroContainerReader reader;
  SIGNALDB_ASSIGN(reader.header_, DecodeHeader(decoder));
  reader.sync_ = decoder.ReadFixed(kAvroSyncBytes);
  if (!decoder.ok()) return Fail(ErrorKind::kCorrupt, "avro header ends without a sync marker");
  // Avro's own specification lets writers leave the key out for no compression.
  const std::string_view codec = reader.header_value(kCodecKey);
  SIGNALDB_ASSIGN(reader.codec_, KnownAvroCodec(codec.empty() ? kAvroNoCodec : codec));
  reader.rest_ = std::string_view(decoder.position(), decoder.remaining());
  return reader;
}

std::string_view AvroContainerReader::header_value(std::string_view key) const {
  const auto found = header_.find(key);
  return found == header_.end() ? std::string_view() : std::string_view(found->second);
}

Result<std::optional<AvroContainerReader::Block>> AvroContainerReader::Next() {
  while (!rest_.empty()) {
    AvroDecoder decoder(rest_);
    Block block;
    block.count = decoder.ReadLong();
    block.packed = decoder.ReadBytes();
    const std::string_view sync = decoder.ReadFixed(kAvroSyncBytes);
    if (!decoder.ok()) {
      return Fail(ErrorKind::kCorrupt, fmt::format("avro block is broken: {}", decoder.fault()));
    }
    if (sync != sync_) {
      return Fail(ErrorKind::kCorrupt, "avro block does not end with the file's sync marker");
    }
    if (block.count < 0) {
      return Fail(ErrorKind::kCorrupt, fmt::format("avro block is broken count={}", block.count));
    }
    block.framed = rest_.substr(0, rest_.size() - decoder.remaining());
    rest_.remove_prefix(block.framed.size());
    if (block.count > 0) return block;
  }
  return std::nullopt;
}

Result<std::string_view> AvroContainerReader::Unpack(const Block& block) {
  if (codec_ == kAvroNoCodec) return block.packed;
  SIGNALDB_TRY(
      UnpackAvro(codec_, block.packed, kAvroUnpackedBytesMax - unpacked_total_, unpacked_));
  unpacked_total_ += unpacked_.size();
  return unpacked_;
}

}  // namespace signaldb
