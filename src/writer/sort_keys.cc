#include "writer/sort_keys.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include <arrow/api.h>
#include <arrow/util/bit_util.h>

#include "iceberg/arrow_error.h"
#include "iceberg/data_file/leaf_values.h"

namespace signaldb {

namespace {

constexpr std::uint64_t kSignBit = std::uint64_t{1} << 63;
constexpr int kWordBits = 64;
constexpr int kGroupBitsMax = 16;

int BitsFor(std::uint64_t most) { return static_cast<int>(std::bit_width(most)); }

// A part of the key: one number a row, below 2^bits(), that orders as a column does.
class KeyPart {
 public:
  virtual ~KeyPart() = default;
  [[nodiscard]] virtual int bits() const = 0;
  // Shifts the numbers of a batch into keys that stand `words` apart.
  virtual void ShiftInto(std::size_t batch, std::uint64_t* keys, std::size_t words) const = 0;
  // The column, if its values are in these numbers, which stand in the first word above its lowest
  // `shift` bits. Does not need this part any more.
  [[nodiscard]] virtual std::optional<KeyColumn> Restorable(int shift) const = 0;

 protected:
  template <typename NumberOf>
  void ShiftAll(std::int64_t rows, std::uint64_t* keys, std::size_t words,
                NumberOf number_of) const {
    const int shift = bits();
    if (shift == kWordBits) {  // It has a word of its own.
      for (std::int64_t row = 0; row < rows; ++row, keys += words) *keys = number_of(row);
    } else {
      for (std::int64_t row = 0; row < rows; ++row, keys += words) {
        *keys = (*keys << shift) | number_of(row);
      }
    }
  }
};

using KeyParts = std::vector<std::unique_ptr<const KeyPart>>;

// Calls `value_of` with the number of `bits` bits above the lowest `shift` bits of each word, and
// makes a column of what it gives.
template <typename T, typename ValueOf>
Result<std::shared_ptr<arrow::ArrayData>> RestoreColumn(
    const std::shared_ptr<arrow::DataType>& type, std::span<const std::uint64_t> words, int shift,
    int bits, ValueOf value_of) {
  const auto rows = static_cast<std::int64_t>(words.size());
  auto buffer = arrow::AllocateBuffer(rows * static_cast<std::int64_t>(sizeof(T)));
  if (!buffer.ok()) return std::unexpected(ErrorFromArrow(buffer.status(), "restoring a column"));
  auto* to = reinterpret_cast<T*>((*buffer)->mutable_data());
  const std::uint64_t mask = bits == kWordBits ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
  for (const std::uint64_t word : words) *to++ = value_of((word >> shift) & mask);
  return arrow::ArrayData::Make(type, rows, {nullptr, buffer.MoveValueUnsafe()}, 0);
}

// Null or not: in front of the values of a column that has nulls, whose number is 0 then.
class NullPart final : public KeyPart {
 public:
  NullPart(std::shared_ptr<const ColumnView> view, const SortField& order)
      : view_(std::move(view)), nulls_first_(order.nulls_first) {}
  [[nodiscard]] int bits() const override { return 1; }
  void ShiftInto(std::size_t batch, std::uint64_t* keys, std::size_t words) const override {
    ShiftAll(view_->arrays[batch]->length(), keys, words, [&](std::int64_t row) -> std::uint64_t {
      return view_->IsNull(batch, row) != nulls_first_ ? 1 : 0;
    });
  }
  [[nodiscard]] std::optional<KeyColumn> Restorable(int) const override { return std::nullopt; }

 private:
  std::shared_ptr<const ColumnView> view_;
  bool nulls_first_;
};

// Not-a-number is last and one value; the other numbers are in the total order, -0 before +0.
std::uint64_t OrderedBits(double value) {
  if (std::isnan(value)) return std::numeric_limits<std::uint64_t>::max();
  const auto bits = std::bit_cast<std::uint64_t>(value);
  return (bits & kSignBit) != 0 ? ~bits : bits | kSignBit;
}

std::uint64_t OrderedBits(std::int64_t value) {
  return static_cast<std::uint64_t>(value) ^ kSignBit;
}
std::int64_t IntegerOf(std::uint64_t ordered) {
  return static_cast<std::int64_t>(ordered ^ kSignBit);
}

// Calls `visit` with a function that gives the number of an entry, in the order of the column.
template <typename Visit>
void WithNumbers(const LeafValues& values, Visit visit) {
  switch (values.physical) {
    case Physical::kBool:
      return visit([&values](std::int64_t i) -> std::uint64_t {
        return arrow::bit_util::GetBit(values.data, values.bit_offset + i) ? 1 : 0;
      });
    case Physical::kInt32:
      return visit([v = values.As<std::int32_t>()](std::int64_t i) {
        return OrderedBits(std::int64_t{v[i]});
      });
    case Physical::kInt64:
      return visit([v = values.As<std::int64_t>()](std::int64_t i) { return OrderedBits(v[i]); });
    case Physical::kFloat:
      return visit([v = values.As<float>()](std::int64_t i) { return OrderedBits(double{v[i]}); });
    case Physical::kDouble:
      return visit([v = values.As<double>()](std::int64_t i) { return OrderedBits(v[i]); });
    case Physical::kBytes:
    case Physical::kFixed:
      break;
  }
  std::unreachable();
}

// Numbers counted from the smallest that there is: those of a cut, times above all, are close
// together, and then go into one word with their neighbours.
class NumberPart final : public KeyPart {
 public:
  NumberPart(std::shared_ptr<const ColumnView> view, const SortField& order)
      : view_(std::move(view)), ascending_(order.ascending) {
    for (std::size_t b = 0; b < view_->arrays.size(); ++b) Measure(b);
  }
  [[nodiscard]] int bits() const override { return least_ > most_ ? 0 : BitsFor(most_ - least_); }

  void ShiftInto(std::size_t batch, std::uint64_t* keys, std::size_t words) const override {
    const arrow::Array& array = *view_->arrays[batch];
    const std::int64_t nulls = array.null_count();
    if (nulls == array.length()) return AddNulls(array.length(), keys, words);
    WithNumbers(view_->values[batch], [&](auto number_at) {
      const auto number_of = [&, this](std::int64_t row) {
        return ascending_ ? number_at(row) - least_ : most_ - number_at(row);
      };
      if (nulls == 0) return ShiftAll(array.length(), keys, words, number_of);
      ShiftAll(array.length(), keys, words, [&](std::int64_t row) -> std::uint64_t {
        return array.IsNull(row) ? 0 : number_of(row);
      });
    });
  }

  [[nodiscard]] std::optional<KeyColumn> Restorable(int shift) const override {
    const auto type = view_->OneType();
    if (type == nullptr || view_->HasNulls() || view_->field->type.id() == TypeId::kDecimal) {
      return std::nullopt;
    }
    const auto restore = [&]<typename T>(T) {
      return KeyColumn{
          view_->field->name, [type, shift, width = bits(), least = least_, most = most_,
                               up = ascending_](std::span<const std::uint64_t> words) {
            return RestoreColumn<T>(type, words, shift, width, [&](std::uint64_t number) {
              return static_cast<T>(IntegerOf(up ? least + number : most - number));
            });
          }};
    };
    if (view_->values[0].physical == Physical::kInt32) return restore(std::int32_t{});
    if (view_->values[0].physical == Physical::kInt64) return restore(std::int64_t{});
    return std::nullopt;
  }

 private:
  void AddNulls(std::int64_t rows, std::uint64_t* keys, std::size_t words) const {
    ShiftAll(rows, keys, words, [](std::int64_t) { return std::uint64_t{0}; });
  }

  void Measure(std::size_t batch) {
    const arrow::Array& array = *view_->arrays[batch];
    const std::int64_t nulls = array.null_count();
    if (nulls == array.length()) return;
    WithNumbers(view_->values[batch], [&](auto number_at) {
      for (std::int64_t row = 0; row < array.length(); ++row) {
        if (nulls > 0 && array.IsNull(row)) continue;
        const std::uint64_t number = number_at(row);
        least_ = std::min(least_, number);
        most_ = std::max(most_, number);
      }
    });
  }

  std::shared_ptr<const ColumnView> view_;
  bool ascending_;
  std::uint64_t least_ = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t most_ = 0;
};

using Ranks = std::vector<std::uint32_t>;
constexpr std::uint32_t kUnused = ~std::uint32_t{0};  // Of an entry that no row has.

// Values numbered in their order, over all batches; what is looked up is the entry, or the row
// where there is no dictionary.
class RankPart final : public KeyPart {
 public:
  RankPart(std::shared_ptr<const ColumnView> view, std::vector<std::shared_ptr<Ranks>> ranks,
           std::uint32_t count)
      : view_(std::move(view)),
        ranks_(std::move(ranks)),
        bits_(count == 0 ? 0 : BitsFor(count - 1)) {}
  [[nodiscard]] int bits() const override { return bits_; }

  void ShiftInto(std::size_t batch, std::uint64_t* keys, std::size_t words) const override {
    const arrow::Array& array = *view_->arrays[batch];
    const std::int64_t nulls = array.null_count();
    const std::uint32_t* ranks = ranks_[batch]->data();
    const std::int32_t* indices = view_->values[batch].indices;
    ShiftAll(array.length(), keys, words, [&](std::int64_t row) -> std::uint64_t {
      if (nulls > 0 && array.IsNull(row)) return 0;
      return ranks[indices == nullptr ? row : indices[row]];
    });
  }

  // Where there is one dictionary.
  [[nodiscard]] std::optional<KeyColumn> Restorable(int shift) const override {
    const auto type = view_->OneType();
    const bool one =
        std::ranges::all_of(ranks_, [this](const auto& ranks) { return ranks == ranks_.front(); });
    if (!one || type == nullptr || view_->HasNulls() || view_->values[0].indices == nullptr) {
      return std::nullopt;
    }
    auto entry_of = std::make_shared<std::vector<std::int32_t>>(std::size_t{1} << bits_);
    for (std::size_t entry = 0; entry < ranks_[0]->size(); ++entry) {
      const std::uint32_t rank = (*ranks_[0])[entry];
      if (rank != kUnused) (*entry_of)[rank] = static_cast<std::int32_t>(entry);
    }
    return KeyColumn{
        view_->field->name,
        [type, shift, width = bits_, entry_of, dictionary = view_->arrays[0]->data()->dictionary](
            std::span<const std::uint64_t> words) -> Result<std::shared_ptr<arrow::ArrayData>> {
          SIGNALDB_ASSIGN(auto column, RestoreColumn<std::int32_t>(
                                           type, words, shift, width,
                                           [&](std::uint64_t rank) { return (*entry_of)[rank]; }));
          column->dictionary = dictionary;
          return column;
        }};
  }

 private:
  std::shared_ptr<const ColumnView> view_;
  std::vector<std::shared_ptr<Ranks>> ranks_;
  int bits_;
};

// Ranks the texts and byte strings of a column. Those of a dictionary that batches share are looked
// at once.
class TextRanker {
 public:
  explicit TextRanker(std::shared_ptr<const ColumnView> view)
      : view_(std::move(view)), sign_(view_->field->type.id() == TypeId::kDecimal ? kSignBit : 0) {}

  std::unique_ptr<const KeyPart> Run(const SortField& order) {
    for (std::size_t b = 0; b < view_->arrays.size(); ++b) Collect(b);
    std::ranges::sort(entries_, [](const Entry& a, const Entry& b) {
      return a.prefix != b.prefix ? a.prefix < b.prefix : a.text < b.text;
    });
    std::uint32_t count = 0;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (i == 0 || entries_[i].text != entries_[i - 1].text) ++count;
      *entries_[i].rank = count - 1;
    }
    if (!order.ascending) {
      for (const Entry& entry : entries_) *entry.rank = count - 1 - *entry.rank;
    }
    return std::make_unique<RankPart>(std::move(view_), std::move(ranks_), count);
  }

 private:
  struct Entry {
    std::uint64_t prefix;
    std::string_view text;
    std::uint32_t* rank;
  };

  // The first eight bytes as a number that orders as the bytes do; of a decimal, as the number.
  [[nodiscard]] std::uint64_t PrefixOf(std::string_view text) const {
    std::uint64_t word = 0;
    if (!text.empty()) std::memcpy(&word, text.data(), std::min<std::size_t>(text.size(), 8));
    return std::byteswap(word) ^ sign_;
  }

  void Collect(std::size_t batch) {
    const LeafValues& values = view_->values[batch];
    const arrow::Array& array = *view_->arrays[batch];
    const bool dictionary = values.indices != nullptr;
    if (dictionary) {
      const auto [known, added] =
          dictionaries_.try_emplace(array.data()->dictionary.get(), ranks_.size());
      if (!added) {
        AddUsed(batch, *ranks_.emplace_back(ranks_[known->second]));
        return;
      }
    }
    const std::int64_t size = dictionary ? values.dictionary_size : array.length();
    ranks_.push_back(std::make_shared<Ranks>(static_cast<std::size_t>(size), kUnused));
    AddUsed(batch, *ranks_.back());
  }

  void AddUsed(std::size_t batch, Ranks& ranks) {
    const LeafValues& values = view_->values[batch];
    const arrow::Array& array = *view_->arrays[batch];
    const std::int64_t nulls = array.null_count();
    for (std::int64_t row = 0; row < array.length(); ++row) {
      if (nulls > 0 && array.IsNull(row)) continue;
      const std::int64_t entry = values.EntryOf(row);
      std::uint32_t& rank = ranks[static_cast<std::size_t>(entry)];
      if (rank != kUnused) continue;
      rank = kUsed;
      const std::string_view text = values.Bytes(entry);
      entries_.push_back({.prefix = PrefixOf(text), .text = text, .rank = &rank});
    }
  }

  static constexpr std::uint32_t kUsed = kUnused - 1;  // Of one whose rank is not known yet.

  std::shared_ptr<const ColumnView> view_;
  const std::uint64_t sign_;
  std::map<const arrow::ArrayData*, std::size_t> dictionaries_;  // Where their ranks are.
  std::vector<std::shared_ptr<Ranks>> ranks_;
  std::vector<Entry> entries_;
};

// Ranks what a transform makes of a column: by and large few values, hence a tree.
class TransformRanker {
 public:
  TransformRanker(std::shared_ptr<const ColumnView> view, const Transform& transform, Type result)
      : view_(std::move(view)), transform_(transform), less_{std::move(result)}, numbers_(less_) {}

  Result<std::unique_ptr<const KeyPart>> Run(const SortField& order) {
    for (std::size_t b = 0; b < view_->arrays.size(); ++b) SIGNALDB_TRY(Collect(b));
    Ranks rank_of(numbers_.size());
    std::uint32_t rank = 0;
    const auto count = static_cast<std::uint32_t>(numbers_.size());
    for (const auto& [value, number] : numbers_) {
      rank_of[number] = order.ascending ? rank : count - 1 - rank;
      ++rank;
    }
    for (std::size_t b = 0; b < ranks_.size(); ++b) {
      for (std::size_t row = 0; row < ranks_[b]->size(); ++row) {
        if (view_->IsNull(b, static_cast<std::int64_t>(row))) continue;
        (*ranks_[b])[row] = rank_of[(*ranks_[b])[row]];
      }
    }
    return std::make_unique<RankPart>(WithoutDictionaries(), std::move(ranks_), count);
  }

 private:
  struct Less {
    Type type;
    bool operator()(const Literal& a, const Literal& b) const { return Compare(type, a, b) < 0; }
  };

  Status Collect(std::size_t batch) {
    const std::int64_t rows = view_->arrays[batch]->length();
    ranks_.push_back(std::make_shared<Ranks>(static_cast<std::size_t>(rows)));
    for (std::int64_t row = 0; row < rows; ++row) {
      if (view_->IsNull(batch, row)) continue;
      Literal raw = view_->LiteralAt(batch, row);
      if (last_ != raw) {
        SIGNALDB_ASSIGN(Literal value, transform_.Apply(view_->field->type, raw));
        last_number_ =
            numbers_.try_emplace(std::move(value), static_cast<std::uint32_t>(numbers_.size()))
                .first->second;
        last_ = std::move(raw);
      }
      (*ranks_.back())[static_cast<std::size_t>(row)] = last_number_;
    }
    return {};
  }

  // Ranks go by row here.
  [[nodiscard]] std::shared_ptr<const ColumnView> WithoutDictionaries() const {
    auto view = std::make_shared<ColumnView>(*view_);
    for (LeafValues& values : view->values) values.indices = nullptr;
    return view;
  }

  std::shared_ptr<const ColumnView> view_;
  const Transform& transform_;
  const Less less_;
  std::map<Literal, std::uint32_t, Less> numbers_;
  std::vector<std::shared_ptr<Ranks>> ranks_;
  Literal last_;
  std::uint32_t last_number_ = 0;
};

bool IsText(const Type& type) {
  const Physical physical = PhysicalOf(type);
  return physical == Physical::kBytes || physical == Physical::kFixed;
}

// The parts that a sort field adds to the key. `field` can be sorted by.
Status AddParts(const Field& field, const SortField& order, const Batches& batches,
                KeyParts& parts) {
  SIGNALDB_ASSIGN(ColumnView viewed, ViewColumn(field, batches));
  auto view = std::make_shared<const ColumnView>(std::move(viewed));
  if (view->HasNulls()) parts.push_back(std::make_unique<NullPart>(view, order));
  if (order.transform.kind != TransformKind::kIdentity) {
    SIGNALDB_ASSIGN(Type result, order.transform.ResultType(field.type));
    SIGNALDB_ASSIGN(auto part,
                    TransformRanker(view, order.transform, std::move(result)).Run(order));
    parts.push_back(std::move(part));
  } else if (IsText(field.type)) {
    parts.push_back(TextRanker(view).Run(order));
  } else {
    parts.push_back(std::make_unique<NumberPart>(view, order));
  }
  return {};
}

// Parts that share a word, first to last.
using Word = std::vector<const KeyPart*>;

// Those columns that can be told from the first word.
std::vector<KeyColumn> RestorableColumns(const Word& first, int first_bits) {
  std::vector<KeyColumn> columns;
  int shift = first_bits;
  for (const KeyPart* part : first) {
    shift -= part->bits();
    if (auto column = part->Restorable(shift); column.has_value()) {
      columns.push_back(*std::move(column));
    }
  }
  return columns;
}

std::vector<Word> PackIntoWords(const KeyParts& parts, SortKeys& keys) {
  std::vector<Word> words(1);
  int used = 0;
  int group_bits = 0;
  for (const auto& part : parts) {
    if (part->bits() == 0) continue;
    if (used + part->bits() > kWordBits) {
      words.emplace_back();
      used = 0;
    }
    used += part->bits();
    words.back().push_back(part.get());
    if (words.size() > 1) continue;
    keys.first_bits = used;
    if (used <= kGroupBitsMax) group_bits = used;
  }
  keys.group_shift = keys.first_bits - group_bits;
  keys.words = words.size();
  return words;
}

enum class Sortable : std::uint8_t {
  kYes,
  kNo,
  kAllEqual,  // No two values differ.
};

Sortable IsSortable(const Field* field, const Transform& transform) {
  if (field == nullptr || !field->type.is_primitive()) return Sortable::kNo;
  switch (field->type.id()) {
    case TypeId::kVariant:
    case TypeId::kGeometry:
    case TypeId::kGeography:
      return Sortable::kNo;
    case TypeId::kUnknown:
      return Sortable::kAllEqual;
    default:
      break;
  }
  if (transform.kind == TransformKind::kVoid) return Sortable::kAllEqual;
  if (transform.kind == TransformKind::kUnknown) return Sortable::kNo;
  return transform.ResultType(field->type).has_value() ? Sortable::kYes : Sortable::kNo;
}

}  // namespace

Result<std::optional<SortKeys>> FindSortKeys(const Schema& schema, const SortOrder& order,
                                             const Batches& batches) {
  if (order.fields.empty()) return std::optional<SortKeys>();
  KeyParts parts;
  for (const SortField& sort : order.fields) {
    const Field* field = FindTopLevelField(schema, sort.source_id);
    const Sortable sortable = IsSortable(field, sort.transform);
    if (sortable == Sortable::kNo) return std::optional<SortKeys>();
    if (sortable == Sortable::kYes) SIGNALDB_TRY(AddParts(*field, sort, batches, parts));
  }
  SortKeys keys;
  const std::vector<Word> words = PackIntoWords(parts, keys);
  keys.columns = RestorableColumns(words[0], keys.first_bits);
  for (std::size_t b = 0; b < batches.size(); ++b) {
    const auto rows = static_cast<std::size_t>(batches[b]->num_rows());
    std::vector<std::uint64_t>& numbers = keys.rows.emplace_back(rows * keys.words);
    for (std::size_t w = 0; w < words.size(); ++w) {
      for (const KeyPart* part : words[w]) part->ShiftInto(b, numbers.data() + w, keys.words);
    }
  }
  return std::optional<SortKeys>(std::move(keys));
}

}  // namespace signaldb
