#include "iceberg/schema/partition_spec.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "iceberg/schema/murmur3.h"

namespace signaldb {
namespace {

// Java's URLEncoder, except that '*' is encoded too: some readers take it for a pattern.
std::string UrlEncode(std::string_view text) {
  constexpr std::string_view kKept =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  std::string encoded;
  for (const char c : text) {
    if (kKept.find(c) != std::string_view::npos) {
      encoded += c;
    } else if (c == ' ') {
      encoded += '+';
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

/// File systems take no longer names.
constexpr std::size_t kFolderNameBytesMax = 255;

// Folders mean nothing to readers, so a long name may end in a hash; equal names stay equal.
std::string FolderName(std::string name) {
  constexpr std::size_t kHashBytes = 9;  // A dash, 8 digits.
  if (name.size() <= kFolderNameBytesMax) return name;
  const std::uint32_t hash = Murmur3(name);
  std::size_t kept = kFolderNameBytesMax - kHashBytes;
  // Not inside "%C3".
  const std::size_t percent = name.rfind('%', kept - 1);
  if (percent != std::string::npos && percent + 3 > kept) kept = percent;
  name.resize(kept);
  return fmt::format("{}-{:08x}", name, hash);
}

}  // namespace

Result<std::vector<Type>> PartitionTypes(const PartitionSpec& spec, const Schema& schema) {
  std::vector<Type> types;
  types.reserve(spec.fields.size());
  for (const PartitionField& field : spec.fields) {
    const Field* source = schema.FindById(field.source_id);
    if (source == nullptr) {
      types.emplace_back(TypeId::kUnknown);
      continue;
    }
    const auto type = field.transform.ResultType(source->type);
    if (!type) {
      return Fail(type.error().kind, fmt::format("{} column={} partition_field={}",
                                                 type.error().message, source->name, field.name));
    }
    types.push_back(*type);
  }
  return types;
}

std::string PartitionPath(const PartitionSpec& spec, const std::vector<Type>& types,
                          const PartitionValues& values) {
  SIGNALDB_ASSERT(types.size() == spec.fields.size() && values.size() == spec.fields.size());
  std::string path;
  for (std::size_t i = 0; i < spec.fields.size(); ++i) {
    const PartitionField& field = spec.fields[i];
    if (i > 0) path += '/';
    path += FolderName(UrlEncode(field.name) + "=" +
                       UrlEncode(field.transform.ToHumanText(types[i], values[i])));
  }
  return path;
}

}  // namespace signaldb
