#include "iceberg/data_file/data_file_writer.h"

#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <arrow/compute/cast.h>
#include <gmock/gmock.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>

#include "iceberg/arrow_error.h"
#include "unit/iceberg/data_file_fixture.h"

namespace signaldb {

namespace {

using testing::ArrayOf;
using testing::Column;
using testing::DataFileTest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::kLocation;
using testing::Optional;
using testing::Required;
using testing::Rows;
using ::testing::SizeIs;
using testing::TableOf;
using testing::Texts;

const auto kTextDictionary = arrow::dictionary(arrow::int32(), arrow::utf8());

TEST_F(DataFileTest, ReadsBackWhatItWroteForEveryShape) {
  const auto table = TableOf({
      Required(1, "id", Type(TypeId::kLong)),
      Optional(2, "text", Type(TypeId::kString)),
      Optional(3, "attributes",
               Type::Map(11, Type(TypeId::kString), 12, Type(TypeId::kString), false)),
      Optional(4, "numbers", Type::List(13, Type(TypeId::kInt), false)),
      Optional(5, "place",
               Type::Struct({Optional(14, "x", Type(TypeId::kDouble)),
                             Optional(15, "tags", Type::List(16, Type(TypeId::kString), false))})),
      Optional(6, "flag", Type(TypeId::kBoolean)),
      Optional(7, "absent", Type(TypeId::kString)),
      Optional(8, "nested", Type::List(17, Type::List(18, Type(TypeId::kInt), false), false)),
  });
  const auto place = arrow::struct_(
      {arrow::field("x", arrow::float64()), arrow::field("tags", arrow::list(arrow::utf8()))});
  const std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>> columns = {
      {"id", ArrayOf(arrow::int64(), "[1, 2, 3, 4]")},
      {"text", ArrayOf(kTextDictionary, R"(["a", null, "b", "a"])")},
      {"attributes", ArrayOf(arrow::map(arrow::utf8(), arrow::utf8()),
                             R"([[["k", "v"], ["l", null]], null, [], [["k", "w"]]])")},
      {"numbers", ArrayOf(arrow::list(arrow::int32()), "[[1, null, 3], [], null, [4]]")},
      {"place", ArrayOf(place, R"([{"x": 1.5, "tags": ["p", null]}, null, {"x": null, "tags": []},
                                  {"x": 2.5, "tags": null}])")},
      {"flag", ArrayOf(arrow::boolean(), "[true, null, false, true]")},
      {"nested", ArrayOf(arrow::list(arrow::list(arrow::int32())),
                         "[[[1, 2], [], null, [3]], null, [], [[null]]]")},
  };
  ASSERT_THAT(WriteFile(table, {Rows(columns), Rows(columns)}), IsOk());
  const auto back = ReadBack();
  ASSERT_EQ(back->num_rows(), 8);
  for (const auto& [name, array] : columns) {
    const auto expected =
        name == "text" ? ArrayOf(arrow::utf8(), R"(["a", null, "b", "a"])") : array;
    const auto doubled = arrow::Concatenate({expected, expected}).ValueOrDie();
    EXPECT_EQ(Texts(*Column(*back, name)), Texts(*doubled)) << name;
  }
  EXPECT_EQ(Column(*back, "absent")->null_count(), 8);
}

TEST_F(DataFileTest, WritesSlicesOfLargerBatches) {
  const auto table = TableOf({
      Optional(1, "text", Type(TypeId::kString)),
      Optional(2, "attributes",
               Type::Map(11, Type(TypeId::kString), 12, Type(TypeId::kString), false)),
      Optional(3, "flag", Type(TypeId::kBoolean)),
      Optional(4, "place", Type::Struct({Optional(13, "x", Type(TypeId::kInt))})),
      Optional(5, "price", Type::Decimal(5, 2)),
  });
  const auto whole = Rows({
      {"text", ArrayOf(kTextDictionary, R"(["a", null, "b", "a", "c"])")},
      {"attributes",
       ArrayOf(arrow::map(arrow::utf8(), arrow::utf8()),
               R"([[["k", "v"]], null, [["l", null], ["m", "n"]], [], [["o", "p"]]])")},
      {"flag", ArrayOf(arrow::boolean(), "[true, null, false, true, true]")},
      {"place", ArrayOf(arrow::struct_({arrow::field("x", arrow::int32())}),
                        R"([{"x": 1}, {"x": 2}, null, {"x": null}, {"x": 5}])")},
      {"price", ArrayOf(arrow::decimal128(5, 2), R"(["1.00", "2.50", null, "-4.25", "5.00"])")},
  });
  const auto slice = whole->Slice(1, 3);
  ASSERT_THAT(WriteFile(table, {slice}), IsOk());
  const auto back = ReadBack();
  EXPECT_THAT(Texts(*Column(*back, "text")), ElementsAre("null", "b", "a"));
  EXPECT_EQ(Texts(*Column(*back, "attributes")), Texts(*slice->GetColumnByName("attributes")));
  EXPECT_EQ(Texts(*Column(*back, "flag")), Texts(*slice->GetColumnByName("flag")));
  EXPECT_EQ(Texts(*Column(*back, "place")), Texts(*slice->GetColumnByName("place")));
  EXPECT_EQ(Texts(*Column(*back, "price")), Texts(*slice->GetColumnByName("price")));
}

TEST_F(DataFileTest, ReadsBackManyPagesOfRandomRows) {
  const Type text(TypeId::kString);
  const auto table = TableOf({Optional(1, "few", text), Optional(2, "many", text),
                              Optional(3, "number", Type(TypeId::kLong)),
                              Optional(4, "attributes", Type::Map(5, text, 6, text, false))},
                             {{"write.parquet.page-row-limit", "700"},
                              {"write.parquet.compression-codec", "zstd"},
                              {"write.parquet.compression-level", "1"}});
  std::mt19937 random(20261122);
  arrow::StringDictionary32Builder few;
  arrow::StringBuilder many;
  arrow::Int64Builder number;
  auto key = std::make_shared<arrow::StringDictionary32Builder>();
  auto item = std::make_shared<arrow::StringBuilder>();
  arrow::MapBuilder attributes(arrow::default_memory_pool(), key, item);
  const auto must = [](const arrow::Status& status) { ASSERT_TRUE(status.ok()); };
  const auto null = [&] { return random() % 9 == 0; };
  for (int i = 0; i < 20'000; ++i) {
    must(null() ? few.AppendNull() : few.Append(fmt::format("few-{}", random() % 300)));
    must(null() ? many.AppendNull() : many.Append(fmt::format("{:x}", random() * 1'000'003)));
    must(null() ? number.AppendNull() : number.Append(i * 1000 + i % 50));
    if (null()) {
      must(attributes.AppendNull());
      continue;
    }
    must(attributes.Append());
    for (std::uint64_t a = random() % 5; a > 0; --a) {
      must(key->Append(fmt::format("key-{}", random() % 20)));
      must(null() ? item->AppendNull() : item->Append(fmt::format("{}", random())));
    }
  }
  const auto rows = Rows({{"few", *few.Finish()},
                          {"many", *many.Finish()},
                          {"number", *number.Finish()},
                          {"attributes", *attributes.Finish()}});
  ASSERT_THAT(WriteFile(table, {rows}), IsOk());
  const auto back = ReadBack();
  const auto plain = [](const std::shared_ptr<arrow::Array>& array) {
    return arrow::compute::Cast(*array, arrow::utf8()).ValueOrDie();
  };
  EXPECT_TRUE(Column(*back, "few")->Equals(plain(rows->GetColumnByName("few"))));
  EXPECT_TRUE(Column(*back, "many")->Equals(rows->GetColumnByName("many")));
  EXPECT_TRUE(Column(*back, "number")->Equals(rows->GetColumnByName("number")));
  const auto found = std::static_pointer_cast<arrow::MapArray>(Column(*back, "attributes"));
  const auto given = std::static_pointer_cast<arrow::MapArray>(rows->GetColumnByName("attributes"));
  EXPECT_TRUE(found->offsets()->Equals(given->offsets()));
  EXPECT_TRUE(found->keys()->Equals(plain(given->keys())));
  EXPECT_TRUE(found->items()->Equals(given->items()));
  EXPECT_EQ(found->null_count(), given->null_count());
}

TEST_F(DataFileTest, IgnoresListEntriesUnderNulls) {
  const auto table = TableOf({Optional(1, "numbers", Type::List(2, Type(TypeId::kInt), false))});
  // The null in the middle has elements of its own in the child array: 3 and 4.
  auto list = ArrayOf(arrow::list(arrow::int32()), "[[1, 2], [3, 4], [5]]")->data()->Copy();
  list->buffers[0] = arrow::AllocateBitmap(3).ValueOrDie();
  list->buffers[0]->mutable_data()[0] = 0b101;
  list->null_count = 1;
  ASSERT_THAT(WriteFile(table, {Rows({{"numbers", arrow::MakeArray(list)}})}), IsOk());
  EXPECT_THAT(Texts(*Column(*ReadBack(), "numbers")),
              ElementsAre("list<: int32>[1, 2]", "null", "list<: int32>[5]"));
}

TEST_F(DataFileTest, ReadsBackEveryPrimitiveType) {
  struct Case {
    Type type;
    std::shared_ptr<arrow::DataType> arrow;
    std::string json;
  };
  const std::vector<Case> cases = {
      {Type(TypeId::kBoolean), arrow::boolean(), "[true, false, null]"},
      {Type(TypeId::kInt), arrow::int32(), "[-1, 2147483647, null]"},
      {Type(TypeId::kLong), arrow::int64(), "[-9223372036854775808, 9223372036854775807, null]"},
      {Type(TypeId::kFloat), arrow::float32(), "[1.5, -0.5, null]"},
      {Type(TypeId::kDouble), arrow::float64(), "[1.5, -0.5, null]"},
      {Type(TypeId::kDate), arrow::date32(), "[-1, 20000, null]"},
      {Type(TypeId::kTime), arrow::time64(arrow::TimeUnit::MICRO), "[0, 86399999999, null]"},
      {Type(TypeId::kTimestamp), arrow::timestamp(arrow::TimeUnit::MICRO), "[-1, 5, null]"},
      {Type(TypeId::kTimestampTz), arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
       "[-1, 5, null]"},
      {Type(TypeId::kTimestampTzNs), arrow::timestamp(arrow::TimeUnit::NANO, "UTC"),
       "[-1, 5, null]"},
      {Type(TypeId::kString), arrow::utf8(), R"(["", "abc", null])"},
      {Type(TypeId::kBinary), arrow::binary(), R"(["", "abc", null])"},
      {Type::Fixed(3), arrow::fixed_size_binary(3), R"(["abc", "xyz", null])"},
      {Type::Decimal(9, 2), arrow::decimal128(9, 2), R"(["-1234567.89", "0.01", null])"},
      {Type::Decimal(18, 2), arrow::decimal128(18, 2), R"(["-1234567890123456.78", "0.01", null])"},
      {Type::Decimal(38, 2), arrow::decimal128(38, 2),
       R"(["-123456789012345678901234567890123456.78", "0.01", null])"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.type.ToText());
    io_ = std::make_unique<MemoryFileIo>();
    const auto array = ArrayOf(c.arrow, c.json);
    ASSERT_THAT(WriteFile(TableOf({Optional(1, "v", c.type)}), {Rows({{"v", array}})}), IsOk());
    EXPECT_EQ(Texts(*Column(*ReadBack(), "v")), Texts(*array));
  }
}

TEST_F(DataFileTest, WidensNumbersAndDecodesOtherDictionaries) {
  const auto table =
      TableOf({Optional(1, "l", Type(TypeId::kLong)), Optional(2, "d", Type(TypeId::kDouble)),
               Optional(3, "t", Type(TypeId::kString)), Optional(4, "i", Type(TypeId::kInt))});
  const auto rows = Rows({
      {"l", ArrayOf(arrow::int32(), "[1, null]")},
      {"d", ArrayOf(arrow::float32(), "[1.5, null]")},
      {"t", ArrayOf(arrow::dictionary(arrow::int8(), arrow::large_utf8()), R"(["x", null])")},
      {"i", ArrayOf(arrow::dictionary(arrow::int32(), arrow::int32()), "[7, null]")},
  });
  ASSERT_THAT(WriteFile(table, {rows}), IsOk());
  const auto back = ReadBack();
  EXPECT_THAT(Texts(*Column(*back, "l")), ElementsAre("1", "null"));
  EXPECT_THAT(Texts(*Column(*back, "d")), ElementsAre("1.5", "null"));
  EXPECT_THAT(Texts(*Column(*back, "t")), ElementsAre("x", "null"));
  EXPECT_THAT(Texts(*Column(*back, "i")), ElementsAre("7", "null"));
}

TEST_F(DataFileTest, RefusesRowsThatDoNotFitAndNamesTheColumn) {
  struct Case {
    const char* name;
    Field field;
    std::shared_ptr<arrow::RecordBatch> rows;
    const char* says;
  };
  const Type text(TypeId::kString);
  const auto map = arrow::map(arrow::utf8(), arrow::utf8());
  const std::vector<Case> cases = {
      {"null in required", Required(1, "a", text),
       Rows({{"a", ArrayOf(arrow::utf8(), R"(["x", null])")}}), "column=a"},
      {"null dictionary index in required", Required(1, "a", text),
       Rows({{"a", ArrayOf(kTextDictionary, R"(["x", null])")}}), "column=a"},
      {"required missing", Required(1, "a", text),
       Rows({{"b", ArrayOf(arrow::utf8(), R"(["x"])")}}), "column=a"},
      {"null in required map value", Optional(1, "m", Type::Map(2, text, 3, text, true)),
       Rows({{"m", ArrayOf(map, R"([[["k", null]]])")}}), "column=m.value"},
      {"wrong type", Optional(1, "a", Type(TypeId::kInt)),
       Rows({{"a", ArrayOf(arrow::utf8(), R"(["x"])")}}), "column=a want=int have=string"},
      {"narrowing", Optional(1, "a", Type(TypeId::kInt)),
       Rows({{"a", ArrayOf(arrow::int64(), "[1]")}}), "column=a want=int have=int64"},
      {"zone", Optional(1, "a", Type(TypeId::kTimestampTz)),
       Rows({{"a", ArrayOf(arrow::timestamp(arrow::TimeUnit::MICRO), "[1]")}}), "column=a"},
      {"not a map", Optional(1, "m", Type::Map(2, text, 3, text, true)),
       Rows({{"m", ArrayOf(arrow::utf8(), R"(["k"])")}}), "column=m"},
  };
  for (const Case& c : cases) {
    io_ = std::make_unique<MemoryFileIo>();
    EXPECT_THAT(WriteFile(TableOf({c.field}), {c.rows}), IsErrorSaying(ErrorKind::kInvalid, c.says))
        << c.name;
  }
}

TEST_F(DataFileTest, GoesOnAfterRefusingABatch) {
  const auto format = DataFileFormat::Make(TableOf({Required(1, "a", Type(TypeId::kInt))}));
  ASSERT_THAT(format, IsOk());
  auto writer = DataFileWriter::Make(*io_, *format, kLocation, {}, RowOrder::kUnsorted);
  ASSERT_THAT(writer, IsOk());
  EXPECT_THAT((*writer)->Write(*Rows({{"a", ArrayOf(arrow::int32(), "[1, null]")}})),
              IsErrorSaying(ErrorKind::kInvalid, "column=a"));
  EXPECT_THAT((*writer)->Write(*Rows({{"a", ArrayOf(arrow::int32(), "[2]")}})), IsOk());
  ASSERT_THAT((*writer)->Finish(), IsOk());
  EXPECT_THAT(Texts(*Column(*ReadBack(), "a")), ElementsAre("2"));
}

TEST_F(DataFileTest, IsNotThereUntilItIsFinished) {
  const auto format = DataFileFormat::Make(TableOf({Required(1, "a", Type(TypeId::kInt))}));
  {
    auto writer = DataFileWriter::Make(*io_, *format, kLocation, {}, RowOrder::kUnsorted);
    ASSERT_THAT((*writer)->Write(*Rows({{"a", ArrayOf(arrow::int32(), "[1]")}})), IsOk());
    EXPECT_GT((*writer)->bytes_estimate(), 0);
  }
  EXPECT_THAT(io_->Read(kLocation), testing::IsError(ErrorKind::kNotFound));
}

TEST_F(DataFileTest, WritesAnEmptyFileWithoutRows) {
  const auto file = WriteFile(TableOf({Required(1, "a", Type(TypeId::kInt))}),
                              {Rows({{"a", ArrayOf(arrow::int32(), "[]")}})});
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->record_count, 0);
  EXPECT_THAT(file->split_offsets, IsEmpty());
  EXPECT_EQ(ReadBack()->num_rows(), 0);
}

TEST_F(DataFileTest, DescribesTheFileItWrote) {
  const auto rows = Rows({{"a", ArrayOf(arrow::int32(), "[1, 2]")}});
  const auto file = WriteFile(TableOf({Required(1, "a", Type(TypeId::kInt))}), {rows, rows});
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->file_path, kLocation);
  EXPECT_EQ(file->record_count, 4);
  EXPECT_EQ(file->file_size_in_bytes, static_cast<std::int64_t>(io_->Read(kLocation)->size()));
  const auto metadata = OpenParquet()->metadata();
  ASSERT_EQ(metadata->num_row_groups(), 2);
  std::vector<std::int64_t> offsets;
  std::int64_t bytes = 0;
  for (int i = 0; i < 2; ++i) {
    const auto chunk = metadata->RowGroup(i)->ColumnChunk(0);
    offsets.push_back(chunk->has_dictionary_page() ? chunk->dictionary_page_offset()
                                                   : chunk->data_page_offset());
    bytes += chunk->total_compressed_size();
  }
  EXPECT_EQ(file->split_offsets, offsets);
  EXPECT_EQ(file->column_sizes.at(1), bytes);
}

TEST_F(DataFileTest, RefusesPartitionValuesThatDoNotMatchTheSpec) {
  const auto format = DataFileFormat::Make(TableOf({Required(1, "a", Type(TypeId::kInt))}));
  EXPECT_THAT(DataFileWriter::Make(*io_, *format, kLocation, {Literal{1}}, RowOrder::kUnsorted),
              IsErrorSaying(ErrorKind::kInvalid, "fields=0 values=1"));
}

TEST_F(DataFileTest, PutsFieldIdsOnEveryColumnGroupElementKeyAndValue) {
  const auto table = TableOf(
      {Required(1, "a", Type(TypeId::kInt)),
       Optional(2, "m", Type::Map(5, Type(TypeId::kString), 6, Type(TypeId::kString), false)),
       Optional(3, "l", Type::List(7, Type(TypeId::kInt), true)),
       Optional(4, "s", Type::Struct({Optional(8, "x", Type(TypeId::kUuid))}))});
  ASSERT_THAT(WriteFile(table, {}), IsOk());
  const auto metadata = OpenParquet()->metadata();
  std::stringstream text;
  parquet::schema::PrintSchema(metadata->schema()->schema_root().get(), text);
  for (const char* line :
       {"required int32 field_id=1 a;", "optional group field_id=2 m (Map)",
        "required binary field_id=5 key (String);", "optional binary field_id=6 value (String);",
        "optional group field_id=3 l (List)", "repeated group field_id=-1 list",
        "required int32 field_id=7 element;", "optional group field_id=4 s",
        "optional fixed_len_byte_array(16) field_id=8 x (UUID);"}) {
    EXPECT_THAT(text.str(), HasSubstr(line));
  }
  EXPECT_EQ(metadata->key_value_metadata()->FindKey("ARROW:schema"), -1);
}

TEST(ErrorFromArrow, SaysWhatTheCallerCanDo) {
  const std::vector<std::pair<arrow::Status, ErrorKind>> cases = {
      {arrow::Status::Invalid("x"), ErrorKind::kInvalid},
      {arrow::Status::TypeError("x"), ErrorKind::kInvalid},
      {arrow::Status::NotImplemented("x"), ErrorKind::kInvalid},
      {arrow::Status::CapacityError("x"), ErrorKind::kInvalid},
      {arrow::Status::IndexError("x"), ErrorKind::kInvalid},
      {arrow::Status::IOError("x"), ErrorKind::kUnavailable},
      {arrow::Status::OutOfMemory("x"), ErrorKind::kUnavailable},
      {arrow::Status::Cancelled("x"), ErrorKind::kCancelled},
      {arrow::Status::UnknownError("x"), ErrorKind::kInternal},
      {arrow::Status::KeyError("x"), ErrorKind::kInternal},
  };
  for (const auto& [status, kind] : cases) {
    EXPECT_EQ(ErrorFromArrow(status, "doing"), (Error{kind, "doing: x"})) << status.ToString();
  }
}

TEST(CatchingParquet, TranslatesWhatIsThrown) {
  const auto throwing = [](auto exception) {
    return CatchingParquet("doing", [&]() -> Status { throw exception; });
  };
  EXPECT_THAT(throwing(parquet::ParquetInvalidOrCorruptedFileException("x")),
              IsErrorSaying(ErrorKind::kCorrupt, "doing"));
  EXPECT_THAT(throwing(parquet::ParquetStatusException(arrow::Status::IOError("x"))),
              IsErrorSaying(ErrorKind::kUnavailable, "x"));
  EXPECT_THAT(throwing(parquet::ParquetException("x")), IsErrorSaying(ErrorKind::kInternal, "x"));
  EXPECT_THAT(throwing(std::bad_alloc()), IsErrorSaying(ErrorKind::kUnavailable, "memory"));
}

}  // namespace

}  // namespace signaldb
