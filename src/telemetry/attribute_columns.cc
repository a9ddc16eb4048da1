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
  if (static_cast<std::int64_t>(keys_.size() - row_begin()) >= attributes_max) [[unlikely]] {
    tally.Reject(Rejection::kTooManyAttributes);
    DropRow();  // The row is lost; the rest is looked at for its form only.
    all_guessed_ = false;
  }
  PushKey(key, tally);
  return PushAnyValue(value, values_, renderer, readable);
}

void RecordAttributes::PushKey(std::string_view key, DecodeTally& tally) {
  const std::size_t position = keys_.size() - row_begin();
  if (all_guessed_ && position < guesses_.size() && key_table_.Is(guesses_[position], key))
      [[likely]] {
    keys_.Push(guesses_[position]);
    return;
  }
  PushUnguessedKey(key, tally);
}

void RecordAttributes::PushUnguessedKey(std::string_view key, DecodeTally& tally) {
  if (all_guessed_) {
    all_guessed_ = false;
    ++serial_;
    for (std::size_t i = row_begin(); i < keys_.size(); ++i) MarkSeen(keys_[i]);
  }
  if (!IsValidUtf8(key)) {
    tally.Reject(Rejection::kInvalidUtf8);
    key = {};  // Nothing that is not UTF-8 may get into the dictionary.
  }
  const std::int32_t index = key_table_.IndexOf(key);
  MarkSeen(index);
  keys_.Push(index);
}

void RecordAttributes::MarkSeen(std::int32_t key) {
  const auto at = static_cast<std::size_t>(key);
  if (at >= seen_.size()) seen_.Fill(0, at + 1 - seen_.size());
  if (seen_[at] == serial_) duplicates_ = true;
  seen_[at] = serial_;
}

void RecordAttributes::EndRow(DecodeTally& tally) {
  if (!all_guessed_) [[unlikely]] {
    if (duplicates_) DropDuplicates(tally);
    guesses_.Truncate(0);
    guesses_.Append(keys_.data() + row_begin(), keys_.size() - row_begin());
  }
  offsets_.Push(static_cast<std::int32_t>(keys_.size()));
}

void RecordAttributes::DropDuplicates(DecodeTally& tally) {
  struct Kept {
    std::int32_t key;
    bool valid;
    std::string value;
  };
  const std::size_t begin = row_begin();
  std::vector<Kept> kept;  // Last entry first.
  ++serial_;
  for (std::size_t i = keys_.size(); i-- > begin;) {
    const auto key = static_cast<std::size_t>(keys_[i]);
    if (seen_[key] == serial_) {
      tally.Note(Oddity::kDuplicateAttributeKey);
      continue;
    }
    seen_[key] = serial_;
    kept.push_back({keys_[i], values_.IsValid(i), std::string(values_[i])});
  }
  TruncateEntries(begin);
  for (std::size_t i = kept.size(); i-- > 0;) {
    keys_.Push(kept[i].key);
    if (kept[i].valid) {
      values_.Push(kept[i].value);
    } else {
      values_.PushNull();
    }
  }
}

void RecordAttributes::TruncateEntries(std::size_t entries) {
  keys_.Truncate(entries);
  values_.Truncate(entries);
  duplicates_ = false;
}

void RecordAttributes::Truncate(std::size_t rows) {
  offsets_.Truncate(rows + 1);
  TruncateEntries(row_begin());
}

ArrowData RecordAttributes::Release(const ArrowType& type) {
  const std::size_t rows = size();
  const std::size_t entries = keys_.size();
  Validity all_valid;
  auto keys = DictionaryData(KeyType(type), keys_, all_valid, key_table_);
  auto values = values_.Release(ItemType(type));
  return MapData(type, rows, entries, offsets_.Release(), {std::move(keys), std::move(values)});
}

bool SharedAttributes::Add(std::string_view key_value, AnyValueRenderer& renderer,
                           DecodeTally& tally, std::int64_t attributes_max) {
  if (static_cast<std::int64_t>(views_.size()) >= attributes_max) {
    tally.Reject(Rejection::kTooManyAttributes);
    return renderer.IsWellFormedKeyValue(key_value);
  }
  return renderer.ReadKeyValue(key_value, views_.emplace_back());
}

std::string_view SharedAttributes::StringOf(std::string_view key) const {
  const auto is_it = [&](const Entry& entry) {
    return entry.key == key && entry.outcome == AnyValueRenderer::Outcome::kString;
  };
  const auto found = std::ranges::find_if(entries_, is_it);
  return found == entries_.end() ? std::string_view() : TextOf(*found);
}

bool SharedAttributes::Render(AnyValueRenderer& renderer) {
  if (!renderer.DropDuplicates(views_, 0, 1)) return false;
  for (const auto& view : views_) {
    renderer.CheckUtf8(view.key);
    const std::size_t begin = text_.size();
    const auto outcome = renderer.AppendPlain(view.value.view(), text_);
    if (outcome == AnyValueRenderer::Outcome::kMalformed) return false;
    entries_.push_back({view.key, begin, text_.size(), outcome});
  }
  return true;
}

void SharedAttributesColumn::Fill(const SharedAttributes& attributes, std::size_t rows) {
  if (rows == 0) return;
  const auto& entries = attributes.entries();
  const std::size_t begin = keys_.size();
  for (const auto& entry : entries) {
    const bool is_null = entry.outcome == AnyValueRenderer::Outcome::kNull;
    if (is_null) {
      value_valid_.PushNull(keys_.size());
    } else {
      value_valid_.PushValid();
    }
    keys_.Push(key_table_.IndexOf(entry.key));
    values_.Push(is_null ? 0 : value_table_.IndexOf(attributes.TextOf(entry)));
  }
  const std::size_t width = entries.size();
  std::int32_t offset = offsets_[offsets_.size() - 1];
  for (std::size_t row = 0; row < rows; ++row) {
    offset += static_cast<std::int32_t>(width);
    offsets_.Push(offset);
  }
  const std::size_t copies = width * (rows - 1);
  std::int32_t* keys = keys_.Extend(copies);
  std::int32_t* values = values_.Extend(copies);
  const auto repeat = [&](auto* to, const auto* from) {
    for (std::size_t done = 0; done < copies; done += width) std::copy_n(from, width, to + done);
  };
  repeat(keys, keys_.data() + begin);
  repeat(values, values_.data() + begin);
  value_valid_.Repeat(begin, width, rows - 1);
}

void SharedAttributesColumn::Truncate(std::size_t rows) {
  offsets_.Truncate(rows + 1);
  const auto entries = static_cast<std::size_t>(offsets_[offsets_.size() - 1]);
  keys_.Truncate(entries);
  values_.Truncate(entries);
  value_valid_.Truncate(entries);
}

ArrowData SharedAttributesColumn::Release(const ArrowType& type) {
  const std::size_t rows = size();
  const std::size_t entries = keys_.size();
  Validity all_valid;
  auto keys = DictionaryData(KeyType(type), keys_, all_valid, key_table_);
  auto values = DictionaryData(ItemType(type), values_, value_valid_, value_table_);
  return MapData(type, rows, entries, offsets_.Release(), {std::move(keys), std::move(values)});
}

}  // namespace signaldb
