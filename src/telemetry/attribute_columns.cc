#include "telemetry/attribute_columns.h"

#include <algorithm>
#include <string>

#include <arrow/array/data.h>
#include <arrow/type.h>

#include "telemetry/wire_reader.h"

namespace signaldb {
namespace {

/// The map array of `rows` rows out of its parts.
ArrowData MapData(const ArrowType& type, std::size_t rows, std::size_t entries,
                  std::shared_ptr<arrow::Buffer> offsets, std::vector<ArrowData> key_and_value) {
  const auto& map = static_cast<const arrow::MapType&>(*type);
  auto pairs = arrow::ArrayData::Make(map.value_type(), static_cast<std::int64_t>(entries),
                                      {nullptr}, std::move(key_and_value), 0);
  return arrow::ArrayData::Make(type, static_cast<std::int64_t>(rows),
                                {nullptr, std::move(offsets)}, {std::move(pairs)}, 0);
}

ArrowData DictionaryData(const ArrowType& type, PodBuffer<std::int32_t>& indices,
                         Validity& validity, StringTable& table) {
  std::int64_t nulls = 0;
  const auto size = static_cast<std::int64_t>(indices.size());
  auto valid = validity.Release(nulls);
  auto data = arrow::ArrayData::Make(type, size, {std::move(valid), indices.Release()}, nulls);
  data->dictionary = table.Release();
  return data;
}

ArrowType KeyType(const ArrowType& map) {
  return static_cast<const arrow::MapType&>(*map).key_type();
}

ArrowType ItemType(const ArrowType& map) {
  return static_cast<const arrow::MapType&>(*map).item_type();
}

/// Splits the shape that senders produce: a one-byte tag and length for the key, then the value,
/// nothing else. False for every other shape, well-formed or not.
bool SplitUsualKeyValue(std::string_view bytes, std::string_view& key, std::string_view& value) {
  constexpr unsigned char kKeyTag = 0x0a;
  constexpr unsigned char kValueTag = 0x12;
  if (bytes.size() < 2 || static_cast<unsigned char>(bytes[0]) != kKeyTag) return false;
  const auto key_size = static_cast<unsigned char>(bytes[1]);
  if (key_size >= 0x80 || 2U + key_size > bytes.size()) return false;
  key = {bytes.data() + 2, key_size};
  return IsOnlyField({bytes.data() + 2 + key_size, bytes.size() - 2 - key_size}, kValueTag, value);
}

}  // namespace

bool PushAnyValue(std::string_view value, TextColumn& column, AnyValueRenderer& renderer,
                  const ReadableBytes& readable) {
  std::string_view text;
  if (IsOnlyField(value, kStringValueTag, text)) [[likely]] {
    if (readable.Covers(text)) [[likely]] {
      if (!column.PushShort(text)) [[unlikely]]
        renderer.CheckUtf8(text);
    } else {
      renderer.CheckUtf8(text);
      column.Push(text);
    }
    return true;
  }
  switch (renderer.AppendPlain(value, column.open())) {
    case AnyValueRenderer::Outcome::kMalformed:
      return false;
    case AnyValueRenderer::Outcome::kNull:
      column.PushNull();
      return true;
    case AnyValueRenderer::Outcome::kString:
    case AnyValueRenderer::Outcome::kText:
      column.Close();
      return true;
  }
  return false;
}

bool RecordAttributes::Add(std::string_view key_value, AnyValueRenderer& renderer,
                           DecodeTally& tally, const ReadableBytes& readable,
                           std::int64_t attributes_max) {
  std::string_view key;
  std::string_view value;
  KeyValueView parts;
  if (!SplitUsualKeyValue(key_value, key, value)) [[unlikely]] {
    if (!renderer.ReadKeyValue(key_value, parts)) return false;
    key = parts.key;
    value = parts.value.view();
  }
  if (static_cast<std::int64_t>(x_keys.size() - row_begin()) >= attributes_max) [[unlikely]] {
    tally.Reject(Rejection::kTooManyAttributes);
    DropRow();  // The row is lost; the rest is looked at for its form only.
    x_all_guessed = false;
  }
  PushKey(key, tally);
  return PushAnyValue(value, x_values, renderer, readable);
}

void RecordAttributes::PushKey(std::string_view key, DecodeTally& tally) {
  const std::size_t position = x_keys.size() - row_begin();
  if (x_all_guessed && position < x_guesses.size() && x_key_table.Is(x_guesses[position], key))
      [[likely]] {
    x_keys.Push(x_guesses[position]);
    return;
  }
  PushUnguessedKey(key, tally);
}

void RecordAttributes::PushUnguessedKey(std::string_view key, DecodeTally& tally) {
  if (x_all_guessed) {
    x_all_guessed = false;
    ++x_serial;
    for (std::size_t i = row_begin(); i < x_keys.size(); ++i) MarkSeen(x_keys[i]);
  }
  if (!IsValidUtf8(key)) {
    tally.Reject(Rejection::kInvalidUtf8);
    key = {};  // Nothing that is not UTF-8 may get into the dictionary.
  }
  const std::int32_t index = x_key_table.IndexOf(key);
  MarkSeen(index);
  x_keys.Push(index);
}

void RecordAttributes::MarkSeen(std::int32_t key) {
  const auto at = static_cast<std::size_t>(key);
  if (at >= x_seen.size()) x_seen.Fill(0, at + 1 - x_seen.size());
  if (x_seen[at] == x_serial) x_duplicates = true;
  x_seen[at] = x_serial;
}

void RecordAttributes::EndRow(DecodeTally& tally) {
  if (!x_all_guessed) [[unlikely]] {
    if (x_duplicates) DropDuplicates(tally);
    x_guesses.Truncate(0);
    x_guesses.Append(x_keys.data() + row_begin(), x_keys.size() - row_begin());
  }
  x_offsets.Push(static_cast<std::int32_t>(x_keys.size()));
}

void RecordAttributes::DropDuplicates(DecodeTally& tally) {
  struct Kept {
    std::int32_t key;
    bool valid;
    std::string value;
  };
  const std::size_t begin = row_begin();
  std::vector<Kept> kept;  // Last entry first.
  ++x_serial;
  for (std::size_t i = x_keys.size(); i-- > begin;) {
    const auto key = static_cast<std::size_t>(x_keys[i]);
    if (x_seen[key] == x_serial) {
      tally.Note(Oddity::kDuplicateAttributeKey);
      continue;
    }
    x_seen[key] = x_serial;
    kept.push_back({x_keys[i], x_values.IsValid(i), std::string(x_values[i])});
  }
  TruncateEntries(begin);
  for (std::size_t i = kept.size(); i-- > 0;) {
    x_keys.Push(kept[i].key);
    if (kept[i].valid) {
      x_values.Push(kept[i].value);
    } else {
      x_values.PushNull();
    }
  }
}

void RecordAttributes::TruncateEntries(std::size_t entries) {
  x_keys.Truncate(entries);
  x_values.Truncate(entries);
  x_duplicates = false;
}

void RecordAttributes::Truncate(std::size_t rows) {
  x_offsets.Truncate(rows + 1);
  TruncateEntries(row_begin());
}

ArrowData RecordAttributes::Release(const ArrowType& type) {
  const std::size_t rows = size();
  const std::size_t entries = x_keys.size();
  Validity all_valid;
  auto keys = DictionaryData(KeyType(type), x_keys, all_valid, x_key_table);
  auto values = x_values.Release(ItemType(type));
  return MapData(type, rows, entries, x_offsets.Release(), {std::move(keys), std::move(values)});
}

bool SharedAttributes::Add(std::string_view key_value, AnyValueRenderer& renderer,
                           DecodeTally& tally, std::int64_t attributes_max) {
  if (static_cast<std::int64_t>(x_views.size()) >= attributes_max) {
    tally.Reject(Rejection::kTooManyAttributes);
    return renderer.IsWellFormedKeyValue(key_value);
  }
  return renderer.ReadKeyValue(key_value, x_views.emplace_back());
}

std::string_view SharedAttributes::StringOf(std::string_view key) const {
  const auto is_it = [&](const Entry& entry) {
    return entry.key == key && entry.outcome == AnyValueRenderer::Outcome::kString;
  };
  const auto found = std::ranges::find_if(x_entries, is_it);
  return found == x_entries.end() ? std::string_view() : TextOf(*found);
}

bool SharedAttributes::Render(AnyValueRenderer& renderer) {
  if (!renderer.DropDuplicates(x_views, 0, 1)) return false;
  for (const auto& view : x_views) {
    renderer.CheckUtf8(view.key);
    const std::size_t begin = x_text.size();
    const auto outcome = renderer.AppendPlain(view.value.view(), x_text);
    if (outcome == AnyValueRenderer::Outcome::kMalformed) return false;
    x_entries.push_back({view.key, begin, x_text.size(), outcome});
  }
  return true;
}

void SharedAttributesColumn::Fill(const SharedAttributes& attributes, std::size_t rows) {
  if (rows == 0) return;
  const auto& entries = attributes.entries();
  const std::size_t begin = x_keys.size();
  for (const auto& entry : entries) {
    const bool is_null = entry.outcome == AnyValueRenderer::Outcome::kNull;
    if (is_null) {
      x_value_valid.PushNull(x_keys.size());
    } else {
      x_value_valid.PushValid();
    }
    x_keys.Push(x_key_table.IndexOf(entry.key));
    x_values.Push(is_null ? 0 : x_value_table.IndexOf(attributes.TextOf(entry)));
  }
  const std::size_t width = entries.size();
  std::int32_t offset = x_offsets[x_offsets.size() - 1];
  for (std::size_t row = 0; row < rows; ++row) {
    offset += static_cast<std::int32_t>(width);
    x_offsets.Push(offset);
  }
  const std::size_t copies = width * (rows - 1);
  std::int32_t* keys = x_keys.Extend(copies);
  std::int32_t* values = x_values.Extend(copies);
  const auto repeat = [&](auto* to, const auto* from) {
    for (std::size_t done = 0; done < copies; done += width) std::copy_n(from, width, to + done);
  };
  repeat(keys, x_keys.data() + begin);
  repeat(values, x_values.data() + begin);
  x_value_valid.Repeat(begin, width, rows - 1);
}

void SharedAttributesColumn::Truncate(std::size_t rows) {
  x_offsets.Truncate(rows + 1);
  const auto entries = static_cast<std::size_t>(x_offsets[x_offsets.size() - 1]);
  x_keys.Truncate(entries);
  x_values.Truncate(entries);
  x_value_valid.Truncate(entries);
}

ArrowData SharedAttributesColumn::Release(const ArrowType& type) {
  const std::size_t rows = size();
  const std::size_t entries = x_keys.size();
  Validity all_valid;
  auto keys = DictionaryData(KeyType(type), x_keys, all_valid, x_key_table);
  auto values = DictionaryData(ItemType(type), x_values, x_value_valid, x_value_table);
  return MapData(type, rows, entries, x_offsets.Release(), {std::move(keys), std::move(values)});
}

}  // namespace signaldb
