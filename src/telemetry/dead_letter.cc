#include "telemetry/dead_letter.h"

#include <string>

#include <arrow/api.h>

#include "signaldb/result.h"
#include "telemetry/table_definition.h"

namespace signaldb {

namespace {

constexpr std::int64_t kNanosPerMicro = 1'000;

template <typename Value>
std::shared_ptr<arrow::Scalar> ScalarOf(const std::shared_ptr<arrow::DataType>& type,
                                        Value&& value) {
  auto scalar = arrow::MakeScalar(type, std::forward<Value>(value));
  SIGNALDB_ASSERT(scalar.ok());
  return *std::move(scalar);
}

std::shared_ptr<arrow::Array> TextColumn(const arrow::DataType& type, std::string_view text) {
  auto array = arrow::MakeArrayFromScalar(arrow::StringScalar(std::string(text)), 1);
  SIGNALDB_ASSERT(array.ok());
  if (type.id() != arrow::Type::DICTIONARY) return *std::move(array);
  auto index = arrow::MakeArrayFromScalar(arrow::Int32Scalar(0), 1);
  SIGNALDB_ASSERT(index.ok());
  auto column = arrow::DictionaryArray::FromArrays(*std::move(index), *std::move(array));
  SIGNALDB_ASSERT(column.ok());
  return *std::move(column);
}

}  // namespace

std::shared_ptr<arrow::RecordBatch> RowOf(const DeadLetter& letter) {
  const std::shared_ptr<arrow::Schema>& schema =
      DefinitionOf(TableKind::kDeadLetters).decoded_schema;
  std::vector<std::shared_ptr<arrow::Array>> columns;
  const auto type = [&] { return schema->field(static_cast<int>(columns.size()))->type(); };
  const auto add = [&](std::shared_ptr<arrow::Scalar> scalar) {
    auto array = arrow::MakeArrayFromScalar(*scalar, 1);
    SIGNALDB_ASSERT(array.ok());
    columns.push_back(*std::move(array));
  };
  const auto add_text = [&](std::string_view text) {
    columns.push_back(TextColumn(*type(), text));
  };
  const auto add_long = [&](std::int64_t value) { add(ScalarOf(arrow::int64(), value)); };

  add(std::make_shared<arrow::TimestampScalar>(letter.received_at.count() / kNanosPerMicro,
                                               type()));
  add_text(letter.source);
  add_long(static_cast<std::int64_t>(letter.position));
  add(ScalarOf(arrow::int32(), letter.part));
  add_text(ToString(letter.signal));
  add_text(ToString(letter.encoding));
  add_text(letter.reason);
  if (letter.rejected_records) {
    add_long(*letter.rejected_records);
  } else {
    add(arrow::MakeNullScalar(arrow::int64()));
  }
  add_long(static_cast<std::int64_t>(letter.message.size()));
  add(std::make_shared<arrow::BinaryScalar>(
      std::string(reinterpret_cast<const char*>(letter.message.data()), letter.message.size())));
  return arrow::RecordBatch::Make(schema, 1, std::move(columns));
}

}  // namespace signaldb
