#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <arrow/io/interfaces.h>
#include <arrow/json/from_string.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>

#include "adapters/memory/memory_file_io.h"
#include "iceberg/data_file/data_file_writer.h"
#include "testing/matchers.h"

namespace signaldb::testing {

inline constexpr const char* kLocation = "memory://warehouse/t/data/one.parquet";

inline TableMetadata TableOf(std::vector<Field> fields, Properties properties = {},
                             SortOrder order = {}) {
  TableMetadata table;
  table.location = "memory://warehouse/t";
  table.schemas.push_back(std::make_shared<Schema>(Schema{.fields = std::move(fields)}));
  table.partition_specs.push_back(std::make_shared<PartitionSpec>());
  table.default_sort_order_id = order.order_id;
  table.sort_orders.push_back(std::make_shared<SortOrder>(std::move(order)));
  table.properties = std::move(properties);
  return table;
}

inline Field Optional(std::int32_t id, std::string name, Type type) {
  return Field{.id = id, .name = std::move(name), .required = false, .type = std::move(type)};
}

inline Field Required(std::int32_t id, std::string name, Type type) {
  return Field{.id = id, .name = std::move(name), .required = true, .type = std::move(type)};
}

inline std::shared_ptr<arrow::Array> ArrayOf(const std::shared_ptr<arrow::DataType>& type,
                                             const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

inline std::shared_ptr<arrow::RecordBatch> Rows(
    const std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>>& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [name, array] : columns) {
    fields.push_back(arrow::field(name, array->type()));
    arrays.push_back(array);
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), arrays.empty() ? 0 : arrays[0]->length(),
                                  arrays);
}

class DataFileTest : public ::testing::Test {
 protected:
  [[nodiscard]] Result<DataFile> WriteFile(
      const TableMetadata& table, const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
      RowOrder order = RowOrder::kUnsorted) {
    SIGNALDB_ASSIGN(auto format, DataFileFormat::Make(table));
    SIGNALDB_ASSIGN(auto writer, DataFileWriter::Make(*io_, format, kLocation, {}, order));
    for (const auto& batch : batches) SIGNALDB_TRY(writer->Write(*batch));
    return writer->Finish();
  }

  std::unique_ptr<parquet::ParquetFileReader> OpenParquet() {
    return parquet::ParquetFileReader::Open(*io_->Open(kLocation));
  }

  std::shared_ptr<arrow::Table> ReadBack() {
    auto reader = parquet::arrow::OpenFile(*io_->Open(kLocation), arrow::default_memory_pool());
    return (*reader)->ReadTable().ValueOrDie();
  }

  std::unique_ptr<MemoryFileIo> io_ = std::make_unique<MemoryFileIo>();
};

// Cuts out every `from`...`to`, both included.
inline std::string Without(std::string text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.erase(at, text.find(to, at) + to.size() - at);
  }
  return text;
}

// The rows for people. Names of elements and of map types are no matter of content.
inline std::vector<std::string> Texts(const arrow::Array& array) {
  std::vector<std::string> texts;
  for (std::int64_t i = 0; i < array.length(); ++i) {
    std::string text = array.GetScalar(i).ValueOrDie()->ToString();
    text = Without(Without(std::move(text), "item", "item"), "element", "element");
    texts.push_back(Without(std::move(text), " ('", "')"));
  }
  return texts;
}

inline std::shared_ptr<arrow::Array> Column(const arrow::Table& table, const std::string& name) {
  return arrow::Concatenate(table.GetColumnByName(name)->chunks()).ValueOrDie();
}

}  // namespace signaldb::testing
