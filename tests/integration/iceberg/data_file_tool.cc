// Writes the Parquet file that data_file_interop_test.py lets other engines read.

#include <cstdint>
#include <iostream>
#include <memory>
#include <string>

#include <arrow/api.h>
#include <fmt/format.h>

#include "adapters/memory/memory_file_io.h"
#include "iceberg/data_file/data_file_writer.h"
#include "iceberg/schema/schema.h"

namespace signaldb {
namespace {

constexpr int kRows = 30'000;

template <typename Builder>
std::shared_ptr<arrow::Array> Finish(Builder& builder) {
  return builder.Finish().ValueOrDie();
}

void Must(const arrow::Status& status) {
  if (!status.ok()) status.Abort();
}

Field Column(std::int32_t id, std::string name, Type type, bool required = false) {
  return {.id = id, .name = std::move(name), .required = required, .type = std::move(type)};
}

TableMetadata Table() {
  const Type text(TypeId::kString);
  TableMetadata table;
  table.location = "memory://w";
  table.schemas = {std::make_shared<Schema>(Schema{
      .fields = {Column(1, "timestamp", Type(TypeId::kTimestampTz), true),
                 Column(2, "service_name", text, true), Column(3, "trace_id", text),
                 Column(4, "body", text), Column(5, "severity_number", Type(TypeId::kInt)),
                 Column(6, "time_unix_nano", Type(TypeId::kLong)),
                 Column(7, "value", Type(TypeId::kDouble)),
                 Column(8, "flag", Type(TypeId::kBoolean)), Column(9, "price", Type::Decimal(9, 2)),
                 Column(10, "day", Type(TypeId::kDate)),
                 Column(11, "attributes", Type::Map(13, text, 14, text, false)),
                 Column(12, "numbers", Type::List(15, Type(TypeId::kLong), false))}})};
  table.partition_specs = {std::make_shared<PartitionSpec>()};
  table.sort_orders = {std::make_shared<SortOrder>(
      SortOrder{.order_id = 1, .fields = {{.source_id = 2}, {.source_id = 1}}})};
  table.default_sort_order_id = 1;
  table.properties = {{"write.parquet.compression-codec", "zstd"},
                      {"write.parquet.compression-level", "1"},
                      {"write.parquet.bloom-filter-enabled.column.trace_id", "true"},
                      {"write.parquet.page-row-limit", "10000"}};
  return table;
}

// Row i can be computed by whoever checks it.
std::shared_ptr<arrow::RecordBatch> Rows() {
  arrow::TimestampBuilder timestamp(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                    arrow::default_memory_pool());
  arrow::StringDictionary32Builder service;
  arrow::StringBuilder trace;
  arrow::StringBuilder body;
  arrow::Int32Builder severity;
  arrow::Int64Builder nano;
  arrow::DoubleBuilder value;
  arrow::BooleanBuilder flag;
  arrow::Decimal128Builder price(arrow::decimal128(9, 2));
  arrow::Date32Builder day;
  auto key = std::make_shared<arrow::StringDictionary32Builder>();
  auto item = std::make_shared<arrow::StringDictionary32Builder>();
  arrow::MapBuilder attributes(arrow::default_memory_pool(), key, item);
  auto number = std::make_shared<arrow::Int64Builder>();
  arrow::ListBuilder numbers(arrow::default_memory_pool(), number);
  for (int i = 0; i < kRows; ++i) {
    Must(timestamp.Append(1'764'000'000'000'000 + std::int64_t{i} * 997));
    Must(service.Append(fmt::format("service-{}", i / 10'000)));
    if (i % 10 == 3)
      Must(trace.AppendNull());
    else
      Must(trace.Append(fmt::format("{:032x}", static_cast<std::uint64_t>(i) * 2654435761U)));
    Must(body.Append(fmt::format("request {} handled \xc3\xa4", i)));
    Must(severity.Append(i % 4 == 0 ? 17 : 9));
    Must(nano.Append(1'764'000'000'000'000'000 + std::int64_t{i} * 997'001));
    Must(value.Append(i * 0.25));
    if (i % 5 == 0)
      Must(flag.AppendNull());
    else
      Must(flag.Append(i % 2 == 0));
    Must(price.Append(arrow::Decimal128(i * 7 - 100)));
    Must(day.Append(20'416));
    if (i % 7 == 0) {
      Must(attributes.AppendNull());
    } else {
      Must(attributes.Append());
      for (int a = 0; a < i % 3; ++a) {
        Must(key->Append(fmt::format("key-{}", a)));
        if (a == 1)
          Must(item->AppendNull());
        else
          Must(item->Append(fmt::format("value-{}", i % 50)));
      }
    }
    Must(numbers.Append());
    for (int n = 0; n < i % 4; ++n) Must(number->Append(std::int64_t{i} * n));
  }
  const auto metadata = Table();
  arrow::ArrayVector arrays = {Finish(timestamp), Finish(service),    Finish(trace),
                               Finish(body),      Finish(severity),   Finish(nano),
                               Finish(value),     Finish(flag),       Finish(price),
                               Finish(day),       Finish(attributes), Finish(numbers)};
  arrow::FieldVector fields;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    fields.push_back(arrow::field(metadata.schema().fields[i].name, arrays[i]->type()));
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), kRows, arrays);
}

Status Run() {
  MemoryFileIo io;
  const std::string location = "memory://w/data/one.parquet";
  SIGNALDB_ASSIGN(const auto format, DataFileFormat::Make(Table()));
  SIGNALDB_ASSIGN(auto writer, DataFileWriter::Make(io, format, location, {}, RowOrder::kSorted));
  SIGNALDB_TRY(writer->Write(*Rows()));
  SIGNALDB_TRY(writer->Finish());
  SIGNALDB_ASSIGN(const std::string bytes, io.Read(location));
  std::cout << bytes;
  return {};
}

}  // namespace
}  // namespace signaldb

int main() {
  const signaldb::Status done = signaldb::Run();
  if (done.has_value()) return 0;
  std::cerr << done.error().message << '\n';
  return 1;
}
