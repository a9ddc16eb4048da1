#include "writer/gather_rows.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include <arrow/api.h>
#include <arrow/array/concatenate.h>
#include <arrow/util/bitmap_ops.h>
#include <fmt/format.h>

#include "iceberg/arrow_error.h"

namespace signaldb {

namespace {

using ArrayDataPtr = std::shared_ptr<arrow::ArrayData>;
using BufferPtr = std::shared_ptr<arrow::Buffer>;

Result<BufferPtr> Allocate(std::int64_t bytes) {
  auto buffer = arrow::AllocateBuffer(bytes);
  if (!buffer.ok()) return std::unexpected(ErrorFromArrow(buffer.status(), "gathering rows"));
  return BufferPtr(buffer.MoveValueUnsafe());
}

const std::int32_t* AsOffsets(const std::uint8_t* values) {
  return reinterpret_cast<const std::int32_t*>(values);
}

// Appends to the last span if this one continues it.
void AddSpan(std::vector<RowSpan>& spans, RowSpan span) {
  if (span.length == 0) return;
  if (!spans.empty() && spans.back().batch == span.batch &&
      spans.back().start + spans.back().length == span.start) {
    spans.back().length += span.length;
  } else {
    spans.push_back(span);
  }
}

std::unexpected<Error> Differ(const arrow::RecordBatch& first, const arrow::RecordBatch& other) {
  return Fail(ErrorKind::kInvalid,
              fmt::format("batches of one table differ in their columns first=\"{}\" other=\"{}\"",
                          first.schema()->ToString(), other.schema()->ToString()));
}

Status CheckSameNames(const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  const arrow::Schema& first = *batches[0]->schema();
  for (const auto& batch : batches) {
    const arrow::Schema& other = *batch->schema();
    if (&other == &first) continue;
    bool same = other.num_fields() == first.num_fields();
    for (int i = 0; same && i < first.num_fields(); ++i) {
      same = first.field(i)->name() == other.field(i)->name();
    }
    if (!same) return Differ(*batches[0], *batch);
  }
  return {};
}

// A column of every batch, all of one type; where it is of Arrow's null type, nulls of that.
Result<std::vector<ArrayDataPtr>> SourcesOf(
    const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches, int column) {
  std::vector<ArrayDataPtr> sources;
  sources.reserve(batches.size());
  std::shared_ptr<arrow::DataType> type;
  for (const auto& batch : batches) {
    sources.push_back(batch->column_data(column));
    const auto& own = sources.back()->type;
    if (own->id() == arrow::Type::NA) continue;
    if (type == nullptr) type = own;
    if (type != own && !type->Equals(own)) return Differ(*batches[0], *batch);
  }
  if (type == nullptr) return sources;
  for (ArrayDataPtr& source : sources) {
    if (source->type->id() != arrow::Type::NA) continue;
    auto nulls = arrow::MakeArrayOfNull(type, source->length);
    if (!nulls.ok()) return std::unexpected(ErrorFromArrow(nulls.status(), "gathering rows"));
    source = (*nulls)->data();
  }
  return sources;
}

}  // namespace

// Rows as spans, or as picks if there are any.
struct RowGatherer::Selection {
  std::vector<RowSpan> spans;
  std::span<const RowPick> picks;
  std::int64_t rows = 0;

  // `visit(batch, row)` for each.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const RowPick pick : picks) visit(pick.batch, std::int64_t{pick.row});
    for (const RowSpan& span : spans) {
      for (std::int64_t row = span.start; row < span.start + span.length; ++row) {
        visit(span.batch, row);
      }
    }
  }

  template <int kWidth>
  void CopyFixed(const std::vector<const std::uint8_t*>& values, std::uint8_t* to) const {
    for (const RowPick pick : picks) {
      std::memcpy(to, values[pick.batch] + std::size_t{pick.row} * kWidth, kWidth);
      to += kWidth;
    }
    for (const RowSpan& span : spans) {
      const std::uint8_t* from = values[span.batch] + span.start * kWidth;
      if (span.length == 1)
        std::memcpy(to, from, kWidth);
      else
        std::memcpy(to, from, static_cast<std::size_t>(span.length * kWidth));
      to += span.length * kWidth;
    }
  }

  Result<BufferPtr> CopyBits(const std::vector<ArrayDataPtr>& sources, std::size_t buffer) const {
    SIGNALDB_ASSIGN(BufferPtr bits, Allocate((rows + 7) / 8 + 8));
    std::uint8_t* to = bits->mutable_data();
    std::memset(to, 0, static_cast<std::size_t>(bits->size()));
    std::int64_t at = 0;
    for (const RowPick pick : picks) {
      const arrow::ArrayData& source = *sources[pick.batch];
      if (source.buffers[buffer] == nullptr ||
          arrow::bit_util::GetBit(source.buffers[buffer]->data(), source.offset + pick.row)) {
        arrow::bit_util::SetBit(to, at);
      }
      ++at;
    }
    for (const RowSpan& span : spans) {
      const arrow::ArrayData& source = *sources[span.batch];
      if (source.buffers[buffer] == nullptr) {
        arrow::bit_util::SetBitsTo(to, at, span.length, true);
      } else {
        arrow::internal::CopyBitmap(source.buffers[buffer]->data(), source.offset + span.start,
                                    span.length, to, at);
      }
      at += span.length;
    }
    return bits;
  }

  struct Validity {
    BufferPtr bits;  // Null if every bit is set.
    std::int64_t nulls = 0;
  };
  Result<Validity> CopyValidity(const Node& node) const {
    if (!node.nullable) return Validity{};
    SIGNALDB_ASSIGN(BufferPtr bits, CopyBits(node.sources, 0));
    const std::int64_t nulls = rows - arrow::internal::CountSetBits(bits->data(), 0, rows);
    if (nulls == 0) return Validity{};
    return Validity{std::move(bits), nulls};
  }
};

Result<RowGatherer> RowGatherer::Make(std::vector<std::shared_ptr<arrow::RecordBatch>> batches) {
  RowGatherer gatherer;
  gatherer.batches_ = std::move(batches);
  if (gatherer.batches_.empty()) return gatherer;
  SIGNALDB_TRY(CheckSameNames(gatherer.batches_));
  arrow::FieldVector fields = gatherer.batches_[0]->schema()->fields();
  for (int i = 0; i < gatherer.batches_[0]->num_columns(); ++i) {
    SIGNALDB_ASSIGN(std::vector<ArrayDataPtr> sources, SourcesOf(gatherer.batches_, i));
    SIGNALDB_ASSIGN(Node node, MakeNode(std::move(sources)));
    if (node.kind == Node::Kind::kNulls) node.type = arrow::null();
    auto& field = fields[static_cast<std::size_t>(i)];
    field = field->WithType(node.type);
    gatherer.columns_.push_back(std::move(node));
  }
  gatherer.schema_ = arrow::schema(std::move(fields));
  return gatherer;
}

Result<RowGatherer::Node> RowGatherer::MakeNode(std::vector<ArrayDataPtr> sources) {
  SIGNALDB_ASSIGN(Node node, Classify(std::move(sources)));
  PointAtValues(node);
  return node;
}

Result<RowGatherer::Node> RowGatherer::Classify(std::vector<ArrayDataPtr> sources) {
  Node node;
  node.type = sources[0]->type;
  bool only_nulls = true;
  for (const ArrayDataPtr& source : sources) {
    node.nullable |= source->GetNullCount() > 0;
    only_nulls &= source->GetNullCount() == source->length;
  }
  node.sources = std::move(sources);
  if (only_nulls) {
    node.kind = Node::Kind::kNulls;
    return node;
  }
  switch (node.type->id()) {
    case arrow::Type::BOOL:
      node.kind = Node::Kind::kBool;
      return node;
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      node.kind = Node::Kind::kText;
      return node;
    case arrow::Type::DICTIONARY: {
      const auto& type = static_cast<const arrow::DictionaryType&>(*node.type);
      if (type.index_type()->id() != arrow::Type::INT32) return node;
      node.kind = Node::Kind::kDictionary;
      SIGNALDB_TRY(UnifyDictionaries(node));
      return node;
    }
    case arrow::Type::LIST:
    case arrow::Type::MAP: {
      node.kind = Node::Kind::kList;
      SIGNALDB_ASSIGN(Node child, MakeChild(node, 0));
      node.children.push_back(std::move(child));
      return node;
    }
    case arrow::Type::STRUCT:
      node.kind = Node::Kind::kStruct;
      for (std::size_t i = 0; i < node.sources[0]->child_data.size(); ++i) {
        SIGNALDB_ASSIGN(Node child, MakeChild(node, i));
        node.children.push_back(std::move(child));
      }
      return node;
    case arrow::Type::NA:
    case arrow::Type::EXTENSION:
      return node;
    default:
      if (!arrow::is_fixed_width(node.type->id())) return node;
      node.kind = Node::Kind::kFixed;
      node.width = node.type->byte_width();
      return node;
  }
}

void RowGatherer::PointAtValues(Node& node) {
  if (node.kind == Node::Kind::kNulls || node.kind == Node::Kind::kBool ||
      node.kind == Node::Kind::kStruct || node.kind == Node::Kind::kOther) {
    return;
  }
  const std::int64_t width = node.kind == Node::Kind::kFixed ? node.width : 4;
  for (const ArrayDataPtr& source : node.sources) {
    node.values.push_back(source->buffers[1]->data() + source->offset * width);
  }
  node.constant = node.kind == Node::Kind::kFixed && !node.nullable && IsConstant(node);
}

bool RowGatherer::IsConstant(const Node& node) {
  const auto width = static_cast<std::size_t>(node.width);
  if (width != 4 && width != 8) return false;
  const std::uint8_t* first = nullptr;
  for (std::size_t b = 0; b < node.sources.size(); ++b) {
    const auto rows = static_cast<std::size_t>(node.sources[b]->length);
    if (rows == 0) continue;
    const std::uint8_t* values = node.values[b];
    if (first == nullptr) first = values;
    // Each value equals the one before it.
    if (std::memcmp(values, first, width) != 0 ||
        std::memcmp(values, values + width, (rows - 1) * width) != 0) {
      return false;
    }
  }
  return first != nullptr;
}

Result<RowGatherer::Node> RowGatherer::MakeChild(const Node& parent, std::size_t child) {
  std::vector<ArrayDataPtr> sources;
  sources.reserve(parent.sources.size());
  for (const ArrayDataPtr& source : parent.sources) sources.push_back(source->child_data[child]);
  return MakeNode(std::move(sources));
}

Status RowGatherer::UnifyDictionaries(Node& node) {
  const auto doing = [](const arrow::Status& status) {
    return std::unexpected(ErrorFromArrow(status, "unifying dictionaries"));
  };
  bool same = true;
  for (const ArrayDataPtr& source : node.sources) {
    same &= source->dictionary == node.sources[0]->dictionary;
  }
  node.dictionary = node.sources[0]->dictionary;
  node.renumber.resize(node.sources.size());
  if (same) return {};
  const auto& type = static_cast<const arrow::DictionaryType&>(*node.type);
  auto unifier = arrow::DictionaryUnifier::Make(type.value_type());
  if (!unifier.ok()) return doing(unifier.status());
  for (std::size_t b = 0; b < node.sources.size(); ++b) {
    const auto dictionary = arrow::MakeArray(node.sources[b]->dictionary);
    BufferPtr transpose;
    if (auto done = (*unifier)->Unify(*dictionary, &transpose); !done.ok()) return doing(done);
    const auto* map = reinterpret_cast<const std::int32_t*>(transpose->data());
    node.renumber[b].assign(map, map + dictionary->length());
  }
  std::shared_ptr<arrow::Array> unified;
  if (auto done = (*unifier)->GetResultWithIndexType(arrow::int32(), &unified); !done.ok()) {
    return doing(done);
  }
  node.dictionary = unified->data();
  for (auto& renumber : node.renumber) {
    bool identity = true;
    for (std::size_t i = 0; i < renumber.size(); ++i) {
      identity &= std::cmp_equal(renumber[i], i);
    }
    if (identity) renumber.clear();
  }
  return {};
}

Result<std::shared_ptr<arrow::RecordBatch>> RowGatherer::Gather(
    std::span<const RowSpan> spans) const {
  Selection rows;
  for (const RowSpan& span : spans) {
    AddSpan(rows.spans, span);
    rows.rows += span.length;
  }
  if (rows.spans.size() == 1) {
    return batches_[rows.spans[0].batch]->Slice(rows.spans[0].start, rows.rows);
  }
  return GatherColumns(rows, {});
}

Result<std::shared_ptr<arrow::RecordBatch>> RowGatherer::Gather(std::span<const RowPick> picks,
                                                                const KnownColumns& known) const {
  return GatherColumns(
      {.spans = {}, .picks = picks, .rows = static_cast<std::int64_t>(picks.size())}, known);
}

Result<std::shared_ptr<arrow::RecordBatch>> RowGatherer::GatherColumns(
    const Selection& rows, const KnownColumns& known) const {
  std::vector<ArrayDataPtr> columns;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const auto found = known.find(schema_->field(static_cast<int>(i))->name());
    if (found != known.end()) {
      columns.push_back(found->second);
      continue;
    }
    SIGNALDB_ASSIGN(auto column, GatherNode(columns_[i], rows));
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(schema_, rows.rows, std::move(columns));
}

Result<ArrayDataPtr> RowGatherer::GatherNode(const Node& node, const Selection& rows) {
  switch (node.kind) {
    case Node::Kind::kNulls:
      return MakeNulls(node, rows.rows);
    case Node::Kind::kFixed:
    case Node::Kind::kBool:
      return GatherFixed(node, rows);
    case Node::Kind::kDictionary:
      return GatherIndices(node, rows);
    case Node::Kind::kText:
      return GatherText(node, rows);
    case Node::Kind::kList:
      return GatherList(node, rows);
    case Node::Kind::kStruct:
      return GatherStruct(node, rows);
    case Node::Kind::kOther:
      break;
  }
  return GatherOther(node, rows);
}

void RowGatherer::Repeat(const Node& node, std::int64_t rows, std::uint8_t* to) {
  const auto with_rows =
      std::ranges::find_if(node.sources, [](const auto& source) { return source->length > 0; });
  const std::uint8_t* from =
      node.values[static_cast<std::size_t>(with_rows - node.sources.begin())];
  const auto fill = [&]<typename T>(T value) {
    std::memcpy(&value, from, sizeof value);
    std::fill_n(reinterpret_cast<T*>(to), rows, value);
  };
  if (node.width == 4)
    fill(std::uint32_t{});
  else
    fill(std::uint64_t{});
}

Result<ArrayDataPtr> RowGatherer::GatherFixed(const Node& node, const Selection& rows) {
  SIGNALDB_ASSIGN(const Selection::Validity validity, rows.CopyValidity(node));
  BufferPtr values;
  if (node.kind == Node::Kind::kBool) {
    SIGNALDB_ASSIGN(values, rows.CopyBits(node.sources, 1));
  } else {
    SIGNALDB_ASSIGN(values, Allocate(rows.rows * node.width));
    std::uint8_t* to = values->mutable_data();
    if (node.constant) {
      Repeat(node, rows.rows, to);
    } else if (node.width == 8) {
      rows.CopyFixed<8>(node.values, to);
    } else if (node.width == 4) {
      rows.CopyFixed<4>(node.values, to);
    } else if (node.width == 16) {
      rows.CopyFixed<16>(node.values, to);
    } else {
      const auto width = static_cast<std::size_t>(node.width);
      rows.ForEach([&](std::uint32_t batch, std::int64_t row) {
        std::memcpy(to, node.values[batch] + row * node.width, width);
        to += width;
      });
    }
  }
  return arrow::ArrayData::Make(node.type, rows.rows, {validity.bits, values}, validity.nulls);
}

Result<ArrayDataPtr> RowGatherer::GatherIndices(const Node& node, const Selection& rows) {
  SIGNALDB_ASSIGN(const Selection::Validity validity, rows.CopyValidity(node));
  SIGNALDB_ASSIGN(const BufferPtr values, Allocate(rows.rows * 4));
  auto* to = reinterpret_cast<std::int32_t*>(values->mutable_data());
  const auto copy = [&](std::uint32_t batch, std::int64_t row, std::int64_t count) {
    const std::int32_t* from = AsOffsets(node.values[batch]) + row;
    const std::vector<std::int32_t>& map = node.renumber[batch];
    if (map.empty()) {
      std::memcpy(to, from, static_cast<std::size_t>(count) * 4);
    } else {
      // What stands under a null is not defined and may be outside the dictionary.
      for (std::int64_t i = 0; i < count; ++i) {
        const auto index = static_cast<std::uint32_t>(from[i]);
        to[i] = index < map.size() ? map[index] : 0;
      }
    }
    to += count;
  };
  for (const RowPick pick : rows.picks) copy(pick.batch, pick.row, 1);
  for (const RowSpan& span : rows.spans) copy(span.batch, span.start, span.length);
  auto data = arrow::ArrayData::Make(node.type, rows.rows, {validity.bits, values}, validity.nulls);
  data->dictionary = node.dictionary;
  return data;
}

Result<ArrayDataPtr> RowGatherer::GatherText(const Node& node, const Selection& rows) {
  SIGNALDB_ASSIGN(const Selection::Validity validity, rows.CopyValidity(node));
  SIGNALDB_ASSIGN(const BufferPtr new_offsets, Allocate((rows.rows + 1) * 4));
  auto* to = reinterpret_cast<std::int32_t*>(new_offsets->mutable_data());
  std::int64_t bytes = 0;
  const auto place = [&](std::uint32_t batch, std::int64_t row, std::int64_t count) {
    const std::int32_t* offsets = AsOffsets(node.values[batch]) + row;
    const std::int64_t shift = bytes - offsets[0];
    for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<std::int32_t>(offsets[i] + shift);
    bytes += offsets[count] - offsets[0];
    to += count;
  };
  for (const RowPick pick : rows.picks) place(pick.batch, pick.row, 1);
  for (const RowSpan& span : rows.spans) place(span.batch, span.start, span.length);
  if (bytes > std::numeric_limits<std::int32_t>::max()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("strings of one slice exceed 2 GiB, lower the rows of a slice bytes={}",
                            bytes));
  }
  *to = static_cast<std::int32_t>(bytes);
  SIGNALDB_ASSIGN(const BufferPtr data, Allocate(bytes));
  std::uint8_t* out = data->mutable_data();
  const auto copy = [&](std::uint32_t batch, std::int64_t row, std::int64_t count) {
    const std::int32_t* offsets = AsOffsets(node.values[batch]) + row;
    const std::int32_t length = offsets[count] - offsets[0];
    if (length == 0) return;
    std::memcpy(out, node.sources[batch]->buffers[2]->data() + offsets[0],
                static_cast<std::size_t>(length));
    out += length;
  };
  for (const RowPick pick : rows.picks) copy(pick.batch, pick.row, 1);
  for (const RowSpan& span : rows.spans) copy(span.batch, span.start, span.length);
  return arrow::ArrayData::Make(node.type, rows.rows, {validity.bits, new_offsets, data},
                                validity.nulls);
}

Result<ArrayDataPtr> RowGatherer::GatherList(const Node& node, const Selection& rows) {
  SIGNALDB_ASSIGN(const Selection::Validity validity, rows.CopyValidity(node));
  SIGNALDB_ASSIGN(const BufferPtr new_offsets, Allocate((rows.rows + 1) * 4));
  auto* to = reinterpret_cast<std::int32_t*>(new_offsets->mutable_data());
  Selection inner;
  inner.spans.reserve(rows.spans.size() + rows.picks.size());
  const auto add = [&](std::uint32_t batch, std::int64_t row, std::int64_t count) {
    const std::int32_t* offsets = AsOffsets(node.values[batch]) + row;
    const std::int64_t shift = inner.rows - offsets[0];
    for (std::int64_t i = 0; i < count; ++i) {
      *to++ = static_cast<std::int32_t>(offsets[i] + shift);
    }
    const std::int64_t length = offsets[count] - offsets[0];
    AddSpan(inner.spans, RowSpan{batch, offsets[0], length});
    inner.rows += length;
  };
  for (const RowPick pick : rows.picks) add(pick.batch, pick.row, 1);
  for (const RowSpan& span : rows.spans) add(span.batch, span.start, span.length);
  if (inner.rows > std::numeric_limits<std::int32_t>::max()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("lists of one slice exceed 2^31 elements, lower the rows of a slice "
                            "elements={}",
                            inner.rows));
  }
  *to = static_cast<std::int32_t>(inner.rows);
  SIGNALDB_ASSIGN(ArrayDataPtr child, GatherNode(node.children[0], inner));
  return arrow::ArrayData::Make(node.type, rows.rows, {validity.bits, new_offsets},
                                {std::move(child)}, validity.nulls);
}

Result<ArrayDataPtr> RowGatherer::GatherStruct(const Node& node, const Selection& rows) {
  SIGNALDB_ASSIGN(const Selection::Validity validity, rows.CopyValidity(node));
  // The children of a sliced struct are not sliced themselves.
  Selection inner = rows;
  for (RowSpan& span : inner.spans) span.start += node.sources[span.batch]->offset;
  std::vector<RowPick> picks(rows.picks.begin(), rows.picks.end());
  for (RowPick& pick : picks) {
    pick.row += static_cast<std::uint32_t>(node.sources[pick.batch]->offset);
  }
  inner.picks = picks;
  std::vector<ArrayDataPtr> children;
  for (const Node& child : node.children) {
    SIGNALDB_ASSIGN(ArrayDataPtr gathered, GatherNode(child, inner));
    children.push_back(std::move(gathered));
  }
  return arrow::ArrayData::Make(node.type, rows.rows, {validity.bits}, std::move(children),
                                validity.nulls);
}

Result<ArrayDataPtr> RowGatherer::MakeNulls(const Node& node, std::int64_t rows) {
  auto nulls = arrow::MakeArrayOfNull(node.type, rows);
  if (!nulls.ok()) return std::unexpected(ErrorFromArrow(nulls.status(), "gathering rows"));
  return (*nulls)->data();
}

Result<ArrayDataPtr> RowGatherer::GatherOther(const Node& node, const Selection& rows) {
  std::vector<RowSpan> spans = rows.spans;
  for (const RowPick pick : rows.picks) AddSpan(spans, {pick.batch, pick.row, 1});
  arrow::ArrayVector parts;
  for (const RowSpan& span : spans) {
    parts.push_back(arrow::MakeArray(node.sources[span.batch]->Slice(span.start, span.length)));
  }
  if (parts.empty()) parts.push_back(arrow::MakeArray(node.sources[0]->Slice(0, 0)));
  auto joined = arrow::Concatenate(parts);
  if (!joined.ok()) return std::unexpected(ErrorFromArrow(joined.status(), "gathering rows"));
  return (*joined)->data();
}

}  // namespace signaldb
