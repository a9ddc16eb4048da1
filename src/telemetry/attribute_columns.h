#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "telemetry/any_value.h"
#include "telemetry/columns.h"

namespace signaldb {

/// Where it is safe to read a few bytes past a text: inside the request's body, away from its end.
class ReadableBytes {
 public:
  static constexpr std::size_t kPast = 16;

  explicit ReadableBytes(std::string_view body) {
    if (body.size() < kPast) return;
    begin_ = reinterpret_cast<std::uintptr_t>(body.data());
    reach_ = body.size() - kPast;
  }
  /// True if kPast bytes after `text` may be read.
  [[nodiscard]] bool Covers(std::string_view text) const {
    return reinterpret_cast<std::uintptr_t>(text.data() + text.size()) - begin_ <= reach_;
  }

 private:
  std::uintptr_t begin_ = UINTPTR_MAX;  // Nothing is within reach of this.
  std::uintptr_t reach_ = 0;
};

/// Appends an AnyValue as the next row of `column`. False if it is malformed.
[[nodiscard]] bool PushAnyValue(std::string_view value, TextColumn& column,
                                AnyValueRenderer& renderer, const ReadableBytes& readable);

/// The attributes of records: a map column whose keys repeat and whose values do not.
///
/// The i-th key of a record is guessed to be the i-th key of the record before, which one short
/// comparison confirms; only a wrong guess is looked up. As long as all guesses of a record are
/// right it cannot hold a key twice, so that duplicates are looked for after a wrong one only.
///
/// Threads: confined to one decoder.
class RecordAttributes {
 public:
  RecordAttributes() { offsets_.Push(0); }

  void BeginRow() { all_guessed_ = true; }
  /// Adds a KeyValue message to the open row. False if it is malformed.
  [[nodiscard]] bool Add(std::string_view key_value, AnyValueRenderer& renderer, DecodeTally& tally,
                         const ReadableBytes& readable, std::int64_t attributes_max);
  /// Ends the row; of entries with the same key the last one stays.
  void EndRow(DecodeTally& tally);
  /// Forgets the open row.
  void DropRow() { TruncateEntries(row_begin()); }

  void Truncate(std::size_t rows);
  [[nodiscard]] std::size_t size() const { return offsets_.size() - 1; }
  [[nodiscard]] std::size_t entries() const { return keys_.size(); }
  [[nodiscard]] std::size_t text_bytes() const { return values_.bytes(); }

  [[nodiscard]] ArrowData Release(const ArrowType& type);

 private:
  void PushKey(std::string_view key, DecodeTally& tally);
  void PushUnguessedKey(std::string_view key, DecodeTally& tally);
  void MarkSeen(std::int32_t key);
  void DropDuplicates(DecodeTally& tally);
  void TruncateEntries(std::size_t entries);
  [[nodiscard]] std::size_t row_begin() const {
    return static_cast<std::size_t>(offsets_[offsets_.size() - 1]);
  }

  PodBuffer<std::int32_t> offsets_;
  PodBuffer<std::int32_t> keys_;
  StringTable key_table_;
  TextColumn values_;

  PodBuffer<std::int32_t> guesses_;  // Keys of the record before, each once.
  PodBuffer<std::uint64_t> seen_;    // By key: serial number of the row that had it last.
  std::uint64_t serial_ = 0;
  bool all_guessed_ = true;
  bool duplicates_ = false;
};

/// A list of attributes that many rows share, as text.
class SharedAttributes {
 public:
  struct Entry {
    std::string_view key;
    std::size_t text_begin;
    std::size_t text_end;
    AnyValueRenderer::Outcome outcome;
  };

  void Clear() {
    views_.clear();
    entries_.clear();
    text_.Truncate(0);
  }
  /// Takes up a KeyValue message. False if it is malformed.
  [[nodiscard]] bool Add(std::string_view key_value, AnyValueRenderer& renderer, DecodeTally& tally,
                         std::int64_t attributes_max);
  /// After the last Add: renders the values. False if one is malformed.
  [[nodiscard]] bool Render(AnyValueRenderer& renderer);

  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] std::string_view TextOf(const Entry& entry) const {
    return {text_.data() + entry.text_begin, entry.text_end - entry.text_begin};
  }
  /// The value of `key` if it is a string, else empty. After Render().
  [[nodiscard]] std::string_view StringOf(std::string_view key) const;

 private:
  std::vector<KeyValueView> views_;
  std::vector<Entry> entries_;
  TextBuffer text_;
};

/// A map column whose rows repeat in runs: looked up once a run, copied as blocks.
///
/// Threads: confined to one decoder.
class SharedAttributesColumn {
 public:
  SharedAttributesColumn() { offsets_.Push(0); }

  void Fill(const SharedAttributes& attributes, std::size_t rows);
  void Truncate(std::size_t rows);
  [[nodiscard]] std::size_t size() const { return offsets_.size() - 1; }

  [[nodiscard]] ArrowData Release(const ArrowType& type);

 private:
  PodBuffer<std::int32_t> offsets_;
  PodBuffer<std::int32_t> keys_;
  StringTable key_table_;
  PodBuffer<std::int32_t> values_;
  Validity value_valid_;
  StringTable value_table_;
};

}  // namespace signaldb
