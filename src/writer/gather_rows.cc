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

struct Bits {
  BufferPtr buffer;  // Null if every bit is set.
  std::int64_t nulls = 0;
};

Result<BufferPtr> CopyBits(const std::vector<ArrayDataPtr>& sources, std::size_t buffer,
                           std::span<const RowSpan> spans, std::int64_t rows) {
  SIGNALDB_ASSIGN(BufferPtr bits, Allocate((rows + 7) / 8 + 8));
  std::memset(bits->mutable_data(), 0, static_cast<std::size_t>(bits->size()));
  std::int64_t at = 0;
  for (const RowSpan& span : spans) {
    const arrow::ArrayData& source = *sources[span.batch];
    const std::int64_t from = source.offset + span.start;
    if (source.buffers[buffer] == nullptr) {
      arrow::bit_util::SetBitsTo(bits->mutable_data(), at, span.length, true);
    } else if (span.length == 1) {
      if (arrow::bit_util::GetBit(source.buffers[buffer]->data(), from)) {
        arrow::bit_util::SetBit(bits->mutable_data(), at);
      }
    } else {
      arrow::internal::CopyBitmap(source.buffers[buffer]->data(), from, span.length,
                                  bits->mutable_data(), at);
    }
    at += span.length;
  }
  return bits;
}

Result<Bits> CopyValidity(const std::vector<ArrayDataPtr>& sources, bool nullable,
                          std::span<const RowSpan> spans, std::int64_t rows) {
  if (!nullable) return Bits{};
  SIGNALDB_ASSIGN(BufferPtr bits, CopyBits(sources, 0, spans, rows));
  const std::int64_t nulls = rows - arrow::internal::CountSetBits(bits->data(), 0, rows);
  if (nulls == 0) return Bits{};
  return Bits{std::move(bits), nulls};
}

template <int kWidth>
void CopyFixed(const std::vector<const std::uint8_t*>& values, std::span<const RowSpan> spans,
               std::uint8_t* to) {
  for (const RowSpan& span : spans) {
    const std::uint8_t* from = values[span.batch] + span.start * kWidth;
    if (span.length == 1)
      std::memcpy(to, from, kWidth);
    else
      std::memcpy(to, from, static_cast<std::size_t>(span.length * kWidth));
    to += span.length * kWidth;
  }
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

}  // namespace

Result<RowGatherer> RowGatherer::Make(std::vector<std::shared_ptr<arrow::RecordBatch>> batches) {
  RowGatherer gatherer;
  gatherer.batches_ = std::move(batches);
  if (gatherer.batches_.empty()) return gatherer;
  gatherer.schema_ = gatherer.batches_[0]->schema();
  for (const auto& batch : gatherer.batches_) {
    if (batch->schema() != gatherer.schema_ && !batch->schema()->Equals(*gatherer.schema_)) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("batches of one table differ in their columns first=\"{}\" "
                              "other=\"{}\"",
                              gatherer.schema_->ToString(), batch->schema()->ToString()));
    }
  }
  for (int i = 0; i < gatherer.schema_->num_fields(); ++i) {
    std::vector<ArrayDataPtr> sources;
    sources.reserve(gatherer.batches_.size());
    for (const auto& batch : gatherer.batches_) sources.push_back(batch->column_data(i));
    SIGNALDB_ASSIGN(Node node, MakeNode(std::move(sources)));
    gatherer.columns_.push_back(std::move(node));
  }
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
  Spans joined;
  std::int64_t rows = 0;
  for (const RowSpan& span : spans) {
    AddSpan(joined, span);
    rows += span.length;
  }
  if (joined.size() == 1) return batches_[joined[0].batch]->Slice(joined[0].start, rows);
  std::vector<ArrayDataPtr> columns;
  for (const Node& node : columns_) {
    SIGNALDB_ASSIGN(auto column, GatherNode(node, joined, rows));
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(schema_, rows, std::move(columns));
}

Result<ArrayDataPtr> RowGatherer::GatherNode(const Node& node, const Spans& spans,
                                             std::int64_t rows) {
  switch (node.kind) {
    case Node::Kind::kNulls:
      return MakeNulls(node, rows);
    case Node::Kind::kFixed:
    case Node::Kind::kBool:
      return GatherFixed(node, spans, rows);
    case Node::Kind::kDictionary:
      return GatherIndices(node, spans, rows);
    case Node::Kind::kText:
      return GatherText(node, spans, rows);
    case Node::Kind::kList:
      return GatherList(node, spans, rows);
    case Node::Kind::kStruct:
      return GatherStruct(node, spans, rows);
    case Node::Kind::kOther:
      break;
  }
  return GatherOther(node, spans);
}

Result<ArrayDataPtr> RowGatherer::GatherFixed(const Node& node, const Spans& spans,
                                              std::int64_t rows) {
  SIGNALDB_ASSIGN(const Bits validity, CopyValidity(node.sources, node.nullable, spans, rows));
  BufferPtr values;
  if (node.kind == Node::Kind::kBool) {
    SIGNALDB_ASSIGN(values, CopyBits(node.sources, 1, spans, rows));
  } else {
    SIGNALDB_ASSIGN(values, Allocate(rows * node.width));
    std::uint8_t* to = values->mutable_data();
    if (node.width == 8) {
      CopyFixed<8>(node.values, spans, to);
    } else if (node.width == 4) {
      CopyFixed<4>(node.values, spans, to);
    } else {
      for (const RowSpan& span : spans) {
        const std::int64_t bytes = span.length * node.width;
        std::memcpy(to, node.values[span.batch] + span.start * node.width,
                    static_cast<std::size_t>(bytes));
        to += bytes;
      }
    }
  }
  return arrow::ArrayData::Make(node.type, rows, {validity.buffer, values}, validity.nulls);
}

Result<ArrayDataPtr> RowGatherer::GatherIndices(const Node& node, const Spans& spans,
                                                std::int64_t rows) {
  SIGNALDB_ASSIGN(const Bits validity, CopyValidity(node.sources, node.nullable, spans, rows));
  SIGNALDB_ASSIGN(const BufferPtr values, Allocate(rows * 4));
  auto* to = reinterpret_cast<std::int32_t*>(values->mutable_data());
  for (const RowSpan& span : spans) {
    const std::int32_t* from = AsOffsets(node.values[span.batch]) + span.start;
    const std::vector<std::int32_t>& renumber = node.renumber[span.batch];
    if (renumber.empty()) {
      std::memcpy(to, from, static_cast<std::size_t>(span.length) * 4);
    } else {
      const std::int32_t* map = renumber.data();
      const auto size = static_cast<std::uint32_t>(renumber.size());
      // What stands under a null is not defined and may be outside the dictionary.
      for (std::int64_t i = 0; i < span.length; ++i) {
        to[i] = static_cast<std::uint32_t>(from[i]) < size ? map[from[i]] : 0;
      }
    }
    to += span.length;
  }
  auto data = arrow::ArrayData::Make(node.type, rows, {validity.buffer, values}, validity.nulls);
  data->dictionary = node.dictionary;
  return data;
}

Result<ArrayDataPtr> RowGatherer::GatherText(const Node& node, const Spans& spans,
                                             std::int64_t rows) {
  SIGNALDB_ASSIGN(const Bits validity, CopyValidity(node.sources, node.nullable, spans, rows));
  std::int64_t bytes = 0;
  for (const RowSpan& span : spans) {
    const std::int32_t* offsets = AsOffsets(node.values[span.batch]) + span.start;
    bytes += offsets[span.length] - offsets[0];
  }
  if (bytes > std::numeric_limits<std::int32_t>::max()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("strings of one slice exceed 2 GiB, lower the rows of a slice bytes={}",
                            bytes));
  }
  SIGNALDB_ASSIGN(const BufferPtr new_offsets, Allocate((rows + 1) * 4));
  SIGNALDB_ASSIGN(const BufferPtr data, Allocate(bytes));
  auto* to = reinterpret_cast<std::int32_t*>(new_offsets->mutable_data());
  std::uint8_t* out = data->mutable_data();
  std::int32_t at = 0;
  for (const RowSpan& span : spans) {
    const std::int32_t* offsets = AsOffsets(node.values[span.batch]) + span.start;
    const std::int32_t shift = at - offsets[0];
    for (std::int64_t i = 0; i < span.length; ++i) to[i] = offsets[i] + shift;
    const std::int32_t length = offsets[span.length] - offsets[0];
    if (length > 0) {
      std::memcpy(out + at, node.sources[span.batch]->buffers[2]->data() + offsets[0],
                  static_cast<std::size_t>(length));
    }
    at += length;
    to += span.length;
  }
  *to = at;
  return arrow::ArrayData::Make(node.type, rows, {validity.buffer, new_offsets, data},
                                validity.nulls);
}

Result<ArrayDataPtr> RowGatherer::GatherList(const Node& node, const Spans& spans,
                                             std::int64_t rows) {
  SIGNALDB_ASSIGN(const Bits validity, CopyValidity(node.sources, node.nullable, spans, rows));
  SIGNALDB_ASSIGN(const BufferPtr new_offsets, Allocate((rows + 1) * 4));
  auto* to = reinterpret_cast<std::int32_t*>(new_offsets->mutable_data());
  Spans inner;
  inner.reserve(spans.size());
  std::int64_t at = 0;
  for (const RowSpan& span : spans) {
    const std::int32_t* offsets = AsOffsets(node.values[span.batch]) + span.start;
    const std::int64_t shift = at - offsets[0];
    for (std::int64_t i = 0; i < span.length; ++i) {
      to[i] = static_cast<std::int32_t>(offsets[i] + shift);
    }
    const std::int64_t length = offsets[span.length] - offsets[0];
    AddSpan(inner, RowSpan{span.batch, offsets[0], length});
    at += length;
    to += span.length;
  }
  if (at > std::numeric_limits<std::int32_t>::max()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("lists of one slice exceed 2^31 elements, lower the rows of a slice "
                            "elements={}",
                            at));
  }
  *to = static_cast<std::int32_t>(at);
  SIGNALDB_ASSIGN(ArrayDataPtr child, GatherNode(node.children[0], inner, at));
  return arrow::ArrayData::Make(node.type, rows, {validity.buffer, new_offsets}, {std::move(child)},
                                validity.nulls);
}

Result<ArrayDataPtr> RowGatherer::GatherStruct(const Node& node, const Spans& spans,
                                               std::int64_t rows) {
  SIGNALDB_ASSIGN(const Bits validity, CopyValidity(node.sources, node.nullable, spans, rows));
  // The children of a sliced struct are not sliced themselves.
  Spans inner = spans;
  for (RowSpan& span : inner) span.start += node.sources[span.batch]->offset;
  std::vector<ArrayDataPtr> children;
  for (const Node& child : node.children) {
    SIGNALDB_ASSIGN(ArrayDataPtr gathered, GatherNode(child, inner, rows));
    children.push_back(std::move(gathered));
  }
  return arrow::ArrayData::Make(node.type, rows, {validity.buffer}, std::move(children),
                                validity.nulls);
}

Result<ArrayDataPtr> RowGatherer::MakeNulls(const Node& node, std::int64_t rows) {
  auto nulls = arrow::MakeArrayOfNull(node.type, rows);
  if (!nulls.ok()) return std::unexpected(ErrorFromArrow(nulls.status(), "gathering rows"));
  return (*nulls)->data();
}

Result<ArrayDataPtr> RowGatherer::GatherOther(const Node& node, const Spans& spans) {
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
