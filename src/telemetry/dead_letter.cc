#include "telemetry/dead_letter.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <arrow/api.h>
#include <fmt/format.h>
#include <xxhash.h>

#include "telemetry/table_definition.h"
#include "telemetry/utf8.h"

namespace signaldb {

namespace {

constexpr std::int64_t kNanosPerMicro = 1'000;
constexpr unsigned char kContinuationMask = 0xC0;
constexpr unsigned char kContinuation = 0x80;

constexpr std::array kContents = {LetterContent::kWhole, LetterContent::kRecords,
                                  LetterContent::kMixed, LetterContent::kStart,
                                  LetterContent::kNone,  LetterContent::kUnfit};
constexpr std::array kSignals = {Signal::kTraces, Signal::kLogs, Signal::kMetrics};
constexpr std::array kEncodings = {MessageEncoding::kProtobuf, MessageEncoding::kJson,
                                   MessageEncoding::kArrow};

// Reasons may quote what a client has sent.
std::string Readable(std::string_view text) {
  std::size_t length = std::min(text.size(), kReasonBytesMax);
  const auto splits = [&] {
    return (static_cast<unsigned char>(text[length]) & kContinuationMask) == kContinuation;
  };
  while (length < text.size() && length > 0 && splits()) --length;
  std::string readable(text.substr(0, length));
  if (IsValidUtf8(readable)) return readable;
  std::ranges::replace_if(
      readable, [](char c) { return static_cast<unsigned char>(c) >= kContinuation; }, '?');
  return readable;
}

// Appends one value after the other, in the order of the table's columns.
class RowMaker {
 public:
  RowMaker() : schema_(DefinitionOf(TableKind::kDeadLetters).decoded_schema) {}

  void Add(const std::shared_ptr<arrow::Scalar>& scalar) {
    auto array = arrow::MakeArrayFromScalar(*scalar, 1);
    SIGNALDB_ASSERT(array.ok());
    columns_.push_back(*std::move(array));
  }
  void AddLong(std::int64_t value) { Add(std::make_shared<arrow::Int64Scalar>(value)); }
  void AddNull() { Add(arrow::MakeNullScalar(type())); }
  void AddText(std::string_view text) {
    auto array = arrow::MakeArrayFromScalar(arrow::StringScalar(Readable(text)), 1);
    SIGNALDB_ASSERT(array.ok());
    if (type()->id() != arrow::Type::DICTIONARY) return columns_.push_back(*std::move(array));
    auto index = arrow::MakeArrayFromScalar(arrow::Int32Scalar(0), 1);
    SIGNALDB_ASSERT(index.ok());
    auto column = arrow::DictionaryArray::FromArrays(*std::move(index), *std::move(array));
    SIGNALDB_ASSERT(column.ok());
    columns_.push_back(*std::move(column));
  }
  void AddTextOrNull(std::string_view text) { text.empty() ? AddNull() : AddText(text); }

  [[nodiscard]] std::shared_ptr<arrow::DataType> type() const {
    return schema_->field(static_cast<int>(columns_.size()))->type();
  }
  [[nodiscard]] std::shared_ptr<arrow::RecordBatch> Finish() {
    return arrow::RecordBatch::Make(schema_, 1, std::move(columns_));
  }

 private:
  const std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::shared_ptr<arrow::Array>> columns_;
};

// Takes values of one row out of columns by name; remembers the first that cannot be.
class RowReader {
 public:
  RowReader(const arrow::RecordBatch& rows, std::int64_t row) : rows_(rows), row_(row) {}

  std::string_view Text(const std::string& name) {
    const arrow::Array* column = Column(name);
    if (column == nullptr || column->IsNull(row_)) return {};
    if (column->type_id() == arrow::Type::DICTIONARY) {
      const auto& coded = static_cast<const arrow::DictionaryArray&>(*column);
      if (coded.dictionary()->type_id() != arrow::Type::STRING) return Trouble(name), "";
      return static_cast<const arrow::StringArray&>(*coded.dictionary())
          .GetView(coded.GetValueIndex(row_));
    }
    const auto type = column->type_id();
    if (type != arrow::Type::STRING && type != arrow::Type::BINARY) return Trouble(name), "";
    return static_cast<const arrow::BinaryArray&>(*column).GetView(row_);
  }
  std::optional<std::int64_t> Number(const std::string& name) {
    const arrow::Array* column = Column(name);
    if (column == nullptr || column->IsNull(row_)) return std::nullopt;
    switch (column->type_id()) {
      case arrow::Type::INT64:
        return static_cast<const arrow::Int64Array&>(*column).Value(row_);
      case arrow::Type::INT32:
        return static_cast<const arrow::Int32Array&>(*column).Value(row_);
      case arrow::Type::TIMESTAMP:
        return static_cast<const arrow::TimestampArray&>(*column).Value(row_);
      default:
        Trouble(name);
        return std::nullopt;
    }
  }
  /// The one of `values` that is called so.
  template <typename Values>
  auto Word(const std::string& name, const Values& values) {
    const std::string_view word = Text(name);
    const auto found = std::ranges::find_if(values, [&](auto v) { return ToString(v) == word; });
    if (found == values.end()) Trouble(name);
    return found == values.end() ? values.front() : *found;
  }
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  const arrow::Array* Column(const std::string& name) {
    const int index = rows_.schema()->GetFieldIndex(name);
    if (index >= 0) return rows_.column(index).get();
    Trouble(name);
    return nullptr;
  }
  void Trouble(const std::string& name) {
    if (trouble_.empty()) trouble_ = name;
  }

  const arrow::RecordBatch& rows_;
  const std::int64_t row_;
  std::string trouble_;
};

}  // namespace

std::string_view ToString(LetterContent content) {
  switch (content) {
    case LetterContent::kWhole:
      return "whole";
    case LetterContent::kRecords:
      return "records";
    case LetterContent::kUnfit:
      return "unfit";
    case LetterContent::kMixed:
      return "mixed";
    case LetterContent::kStart:
      return "start";
    case LetterContent::kNone:
      return "none";
  }
  std::unreachable();
}

std::string Xxh64Text(std::span<const std::byte> bytes) {
  return fmt::format("{:016x}", XXH64(bytes.data(), bytes.size(), 0));
}

std::shared_ptr<arrow::RecordBatch> RowOf(const DeadLetter& letter) {
  RowMaker row;
  row.Add(std::make_shared<arrow::TimestampScalar>(letter.received_at.count() / kNanosPerMicro,
                                                   row.type()));
  row.AddText(letter.source);
  row.AddLong(static_cast<std::int64_t>(letter.position));
  row.Add(std::make_shared<arrow::Int32Scalar>(letter.part));
  row.AddText(ToString(letter.signal));
  row.AddText(ToString(letter.encoding));
  row.AddText(letter.reason);
  if (letter.rejected_records) {
    row.AddLong(*letter.rejected_records);
  } else {
    row.AddNull();
  }
  row.AddLong(letter.message_bytes);
  row.Add(std::make_shared<arrow::BinaryScalar>(
      std::string(reinterpret_cast<const char*>(letter.message.data()), letter.message.size())));
  row.AddText(ToString(letter.content));
  row.AddTextOrNull(letter.message_xxh64);
  row.AddLong(letter.messages);
  row.AddLong(static_cast<std::int64_t>(letter.first_position));
  row.AddTextOrNull(letter.for_tenant);
  row.AddTextOrNull(letter.for_dataset);
  return row.Finish();
}

Result<DeadLetter> LetterIn(const arrow::RecordBatch& rows, std::int64_t row) {
  RowReader from(rows, row);
  const std::string_view message = from.Text("message");
  const auto position = [&](const char* name) {
    return static_cast<SourcePosition>(from.Number(name).value_or(0));
  };
  const DeadLetter letter{
      .source = from.Text("source"),
      .position = position("position"),
      .first_position = position("first_position"),
      .messages = from.Number("messages").value_or(1),
      .part = static_cast<std::int32_t>(from.Number("part").value_or(0)),
      .signal = from.Word("signal", kSignals),
      .encoding = from.Word("encoding", kEncodings),
      .received_at = Nanos(from.Number("timestamp").value_or(0) * kNanosPerMicro),
      .reason = from.Text("reason"),
      .rejected_records = from.Number("rejected_records"),
      .content = from.Word("content", kContents),
      .message_bytes = from.Number("message_bytes").value_or(0),
      .message = std::as_bytes(std::span(message)),
      .message_xxh64 = from.Text("message_xxh64"),
      .for_tenant = from.Text("for_tenant"),
      .for_dataset = from.Text("for_dataset"),
  };
  if (from.trouble().empty()) return letter;
  return Fail(ErrorKind::kInvalid,
              fmt::format("not a row of dead letters; the table was changed by somebody else, or "
                          "is of another version column={}",
                          from.trouble()));
}

}  // namespace signaldb
