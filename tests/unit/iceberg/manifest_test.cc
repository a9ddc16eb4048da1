#include "iceberg/manifest/manifest.h"

#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "iceberg/avro/avro_container.h"
#include "iceberg/avro/avro_encoding.h"
#include "iceberg/manifest/manifest_schema.h"
#include "testing/manifest_samples.h"
#include "testing/matchers.h"

namespace signaldb {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::IsOkAnd;
using testing::RandomEntry;
using testing::SampleTable;

constexpr std::int64_t kSnapshot = 5;

std::string Golden(const std::string& name) {
  std::ifstream in(std::string(SIGNALDB_GOLDEN_DIR) + "/" + name);
  std::string text(std::istreambuf_iterator<char>(in), {});
  EXPECT_FALSE(text.empty()) << name;
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

ManifestContext ContextFor(const TableMetadata& table, std::int32_t spec_id) {
  return {.schema = &table.schema(), .spec = table.SpecById(spec_id), .snapshot_id = kSnapshot};
}

std::string HeaderValue(const std::string& manifest, std::string_view key) {
  return std::string(AvroContainerReader::Open(manifest)->header_value(key));
}

std::string ObjectsOf(const std::string& manifest) {
  auto reader = AvroContainerReader::Open(manifest);
  std::string all;
  while (auto block = reader->Next().value()) all += reader->Unpack(*block).value();
  return all;
}

std::string FromHex(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return out;
}

/// The file of the worked example: one long column with id 1, unpartitioned.
ManifestEntry WorkedEntry() {
  ManifestEntry entry;
  entry.data_file.file_path = "file:///w/t/data/a.parquet";
  entry.data_file.spec_id = 1;
  entry.data_file.record_count = 3;
  entry.data_file.file_size_in_bytes = 1024;
  entry.data_file.column_sizes = {{1, 100}};
  entry.data_file.value_counts = {{1, 3}};
  entry.data_file.null_value_counts = {{1, 0}};
  entry.data_file.lower_bounds = {{1, std::string("\1\0\0\0\0\0\0\0", 8)}};
  entry.data_file.upper_bounds = {{1, std::string("\3\0\0\0\0\0\0\0", 8)}};
  entry.data_file.split_offsets = {4};
  entry.data_file.sort_order_id = 0;
  return entry;
}

std::string WorkedBytes(std::string_view after_sort_order) {
  return FromHex("02020a00000034") + "file:///w/t/data/a.parquet" + FromHex("0e") + "PARQUET" +
         FromHex(
             "068010"
             "020202c80100"
             "0202020600"
             "0202020000"
             "00"
             "02020210010000000000000000"
             "02020210030000000000000000"
             "00"
             "02020800"
             "000200") +
         FromHex(after_sort_order);
}

TEST(ManifestEncoding, GivesTheWorkedEntryByteForByte) {
  const TableMetadata table = SampleTable();
  const auto manifest = EncodeManifest(ContextFor(table, 1), {WorkedEntry()});
  ASSERT_THAT(manifest, IsOk());
  EXPECT_EQ(ObjectsOf(manifest->bytes), WorkedBytes("00"));
  EXPECT_EQ(WorkedBytes("00").size(), 96U);
}

TEST(ManifestEncoding, WritesTheGoldenSchemas) {
  const PartitionSpec none;
  EXPECT_EQ(ManifestEntrySchema(1, none, {}), Golden("manifest_entry_v1.json"));
  EXPECT_EQ(ManifestEntrySchema(2, none, {}), Golden("manifest_entry_v2.json"));
  EXPECT_EQ(ManifestListSchema(1), Golden("manifest_list_v1.json"));
  EXPECT_EQ(ManifestListSchema(2), Golden("manifest_list_v2.json"));
}

TEST(ManifestEncoding, NamesPartitionFieldsAsAvroCan) {
  PartitionSpec spec;
  spec.fields = {{.field_id = 1000, .name = "ts_day"},  {.field_id = 1001, .name = "a.b"},
                 {.field_id = 1002, .name = "uuid"},    {.field_id = 1003, .name = "1x"},
                 {.field_id = 1004, .name = "dropped"}, {.field_id = 1005, .name = "money\""}};
  const std::vector<Type> types = {Type(TypeId::kDate),    Type(TypeId::kString),
                                   Type(TypeId::kUuid),    Type(TypeId::kUuid),
                                   Type(TypeId::kUnknown), Type::Decimal(9, 2)};
  const std::string schema = ManifestEntrySchema(2, spec, types);
  const std::size_t start = schema.find(R"("name":"r102","fields":[)") + 24;
  EXPECT_EQ(schema.substr(start, schema.find(R"(]},"doc":"Partition data)") - start),
            Golden("partition_fields.json"));
}

TEST(AvroNames, AreWhatJavaMakesThem) {
  const std::pair<std::string, std::string> rows[] = {
      {"plain_1", "plain_1"},
      {"a.b", "a_x2Eb"},
      {"1x", "_1x"},
      {"a b", "a_x20b"},
      {"\xC3\xA9", "_xE9"},
      {"\xF0\x9F\x98\x80", "_xD83D_xDE00"},
      {"bad\xFF"
       "c",
       "bad_xFFFDc"},
      {"", "_"},
  };
  for (const auto& [name, avro] : rows) EXPECT_EQ(AvroNameOf(name), avro);
}

TEST(AvroNames, DecimalsTakeTheBytesTheirPrecisionNeeds) {
  const int precision_max[] = {2, 4, 6, 9, 11, 14, 16, 18, 21, 23, 26, 28, 31, 33, 35, 38};
  int precision = 1;
  for (std::size_t bytes = 1; bytes <= std::size(precision_max); ++bytes) {
    for (; precision <= precision_max[bytes - 1]; ++precision) {
      EXPECT_EQ(DecimalBytes(precision), bytes) << precision;
    }
  }
}

TEST(ManifestEncoding, WritesEveryHeaderKeyReadersAskFor) {
  const TableMetadata table = SampleTable();
  ManifestContext context = ContextFor(table, 2);
  const std::string data = EncodeManifest(context, {})->bytes;
  EXPECT_EQ(HeaderValue(data, "schema"), SerializeSchema(table.schema()));
  EXPECT_EQ(HeaderValue(data, "schema-id"), "0");
  EXPECT_EQ(HeaderValue(data, "partition-spec"), SerializePartitionFields(*context.spec));
  EXPECT_TRUE(HeaderValue(data, "partition-spec").starts_with('['));
  EXPECT_EQ(HeaderValue(data, "partition-spec-id"), "2");
  EXPECT_EQ(HeaderValue(data, "format-version"), "2");
  EXPECT_EQ(HeaderValue(data, "content"), "data");
  EXPECT_EQ(HeaderValue(data, "avro.codec"), "deflate");
  EXPECT_EQ(HeaderValue(data, "iceberg.schema"), "");
  context.content = ManifestContent::kDeletes;
  EXPECT_EQ(HeaderValue(EncodeManifest(context, {})->bytes, "content"), "deletes");
}

TEST(ManifestEncoding, CountsAndSumsUpForTheList) {
  const TableMetadata table = SampleTable();
  std::vector<ManifestEntry> entries(4, WorkedEntry());
  entries[1].status = EntryStatus::kExisting;
  entries[1].snapshot_id = 1;
  entries[1].sequence_number = 9;
  entries[1].data_file.record_count = 10;
  entries[2] = entries[1];
  entries[2].sequence_number = 7;
  entries[3].status = EntryStatus::kDeleted;
  entries[3].sequence_number = 2;
  const auto manifest = EncodeManifest(ContextFor(table, 1), entries);
  ASSERT_THAT(manifest, IsOk());
  const ManifestFile& file = manifest->file;
  EXPECT_EQ(file.manifest_length, static_cast<std::int64_t>(manifest->bytes.size()));
  EXPECT_EQ(file.partition_spec_id, 1);
  EXPECT_EQ(file.added_snapshot_id, kSnapshot);
  EXPECT_EQ(file.sequence_number, kUnassignedSequenceNumber);
  EXPECT_EQ(file.min_sequence_number, 7);  // The deleted one's 2 does not count.
  EXPECT_EQ(file.added_files_count, 1);
  EXPECT_EQ(file.existing_files_count, 2);
  EXPECT_EQ(file.deleted_files_count, 1);
  EXPECT_EQ(file.added_rows_count, 3);
  EXPECT_EQ(file.existing_rows_count, 20);
  EXPECT_EQ(file.deleted_rows_count, 3);
  EXPECT_THAT(file.partitions, ElementsAre());
  EXPECT_TRUE(file.has_partition_summaries);
}

/// A table with one partition field of `type`, and the summary of these values.
PartitionFieldSummary SummaryOf(const Type& type, const std::vector<Literal>& values) {
  const Schema schema{.fields = {{.id = 1, .name = "c", .type = type}}};
  const PartitionSpec spec{.fields = {{.source_id = 1, .field_id = 1000, .name = "c"}}};
  std::vector<ManifestEntry> entries;
  for (const Literal& value : values) {
    entries.push_back(WorkedEntry());
    entries.back().data_file.partition = {value};
  }
  // Deleted entries count as well.
  entries.back().status = EntryStatus::kDeleted;
  entries.back().sequence_number = 1;
  const auto manifest =
      EncodeManifest({.schema = &schema, .spec = &spec, .snapshot_id = kSnapshot}, entries);
  EXPECT_THAT(manifest, IsOk());
  return manifest->file.partitions.at(0);
}

TEST(PartitionSummaries, AreExactAndCoverDeletedEntries) {
  const std::string long_text(300, 'z');
  const PartitionFieldSummary text =
      SummaryOf(Type(TypeId::kString), {{std::string("b")}, {}, {long_text}});
  EXPECT_EQ(text, (PartitionFieldSummary{true, false, "b", long_text}));
  const PartitionFieldSummary ints =
      SummaryOf(Type(TypeId::kInt), {{std::int32_t{256}}, {std::int32_t{-1}}});
  EXPECT_EQ(ints,
            (PartitionFieldSummary{false, false, "\xFF\xFF\xFF\xFF", std::string("\0\1\0\0", 4)}));
}

TEST(PartitionSummaries, KeepNaNOutOfTheBoundsAndTellZeroesApart) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(SummaryOf(Type(TypeId::kDouble), {{nan}, {nan}}),
            (PartitionFieldSummary{false, true, std::nullopt, std::nullopt}));
  const std::string minus_zero = FromHex("0000000000000080");
  const std::string plus_zero = FromHex("0000000000000000");
  EXPECT_EQ(SummaryOf(Type(TypeId::kDouble), {{0.0}, {nan}, {-0.0}}),
            (PartitionFieldSummary{false, true, minus_zero, plus_zero}));
  EXPECT_EQ(SummaryOf(Type(TypeId::kDouble), {Literal{}, Literal{}}),
            (PartitionFieldSummary{true, false, std::nullopt, std::nullopt}));
}

TEST(ManifestEncoding, RefusesEntriesThatBreakTheRules) {
  const TableMetadata table = SampleTable();
  using Change = void (*)(ManifestEntry&);
  const struct {
    std::string_view says;
    Change change;
  } rows[] = {
      {"added by another snapshot", [](ManifestEntry& e) { e.snapshot_id = 6; }},
      {"exists but has no snapshot id",
       [](ManifestEntry& e) {
         e.status = EntryStatus::kExisting;
         e.sequence_number = 1;
       }},
      {"exists but has no sequence number",
       [](ManifestEntry& e) {
         e.status = EntryStatus::kExisting;
         e.snapshot_id = 1;
       }},
      {"deleted by another snapshot",
       [](ManifestEntry& e) {
         e.status = EntryStatus::kDeleted;
         e.snapshot_id = 6;
         e.sequence_number = 1;
       }},
      {"deleted but has no sequence number",
       [](ManifestEntry& e) { e.status = EntryStatus::kDeleted; }},
      {"no file path", [](ManifestEntry& e) { e.data_file.file_path.clear(); }},
      {"mixes data and deletes",
       [](ManifestEntry& e) { e.data_file.content = FileContent::kPositionDeletes; }},
      {"another number of partition values",
       [](ManifestEntry& e) { e.data_file.partition.resize(1); }},
      {"equality ids", [](ManifestEntry& e) { e.data_file.equality_ids = {1}; }},
      {"format version 3", [](ManifestEntry& e) { e.data_file.first_row_id = 0; }},
      {"format version 3", [](ManifestEntry& e) { e.data_file.content_offset = 0; }},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.says);
    ManifestEntry entry = WorkedEntry();
    row.change(entry);
    EXPECT_THAT(EncodeManifest(ContextFor(table, 1), {entry}),
                IsErrorSaying(ErrorKind::kInvalid, std::string(row.says)));
  }
}

TEST(ManifestEncoding, TakesAnAddedFileThatKeepsAnOlderSequenceNumber) {
  const TableMetadata table = SampleTable();
  ManifestEntry entry = WorkedEntry();
  entry.snapshot_id = 6;
  entry.sequence_number = 3;
  entry.file_sequence_number = 3;
  auto manifest = EncodeManifest(ContextFor(table, 1), {entry});
  ASSERT_THAT(manifest, IsOk());
  EXPECT_EQ(manifest->file.min_sequence_number, 3);
  manifest->file.sequence_number = 8;
  const auto entries = DecodeManifest(manifest->bytes, manifest->file, table);
  ASSERT_THAT(entries, IsOk());
  EXPECT_EQ(entries->at(0).sequence_number, 3);
  EXPECT_EQ(entries->at(0).file_sequence_number, 8);  // Never written for an added file.
}

TEST(ManifestEncoding, RefusesPartitionValuesOfAnotherType) {
  const struct {
    Type type;
    Literal value;
  } rows[] = {
      {Type(TypeId::kInt), {std::int64_t{1}}},
      {Type(TypeId::kLong), {1.5}},
      {Type(TypeId::kBoolean), {std::int32_t{1}}},
      {Type(TypeId::kFloat), {1.5}},
      {Type(TypeId::kString), {std::int32_t{1}}},
      {Type(TypeId::kUuid), {std::string(15, 'u')}},
      {Type::Fixed(3), {std::string("four")}},
      {Type::Decimal(2, 0), {std::string("\x01\x00", 2)}},
      {Type::Decimal(2, 0), {std::string()}},
  };
  for (const auto& row : rows) {
    const Schema schema{.fields = {{.id = 1, .name = "c", .type = row.type}}};
    const PartitionSpec spec{.fields = {{.source_id = 1, .field_id = 1000, .name = "c"}}};
    ManifestEntry entry = WorkedEntry();
    entry.data_file.partition = {row.value};
    EXPECT_THAT(
        EncodeManifest({.schema = &schema, .spec = &spec, .snapshot_id = kSnapshot}, {entry}),
        IsErrorSaying(ErrorKind::kInvalid, "field=c file=file:///w/t/data/a.parquet"))
        << row.type.ToText();
  }
}

TEST(ManifestEncoding, RefusesOtherFormatVersions) {
  const TableMetadata table = SampleTable();
  for (const std::int32_t version : {0, 3, 4}) {
    ManifestContext context = ContextFor(table, 1);
    context.format_version = version;
    EXPECT_THAT(EncodeManifest(context, {}), IsErrorSaying(ErrorKind::kInvalid, "format_version"));
  }
  ManifestContext deletes = ContextFor(table, 1);
  deletes.format_version = 1;
  deletes.content = ManifestContent::kDeletes;
  EXPECT_THAT(EncodeManifest(deletes, {}), IsError(ErrorKind::kInvalid));
}

/// What a reader must see of `written` in a manifest with sequence number `sequence`.
ManifestEntry AsRead(ManifestEntry written, std::int64_t sequence) {
  if (!written.snapshot_id) written.snapshot_id = kSnapshot;
  if (written.status == EntryStatus::kAdded) {
    if (!written.sequence_number) written.sequence_number = sequence;
    written.file_sequence_number = sequence;
  }
  return written;
}

TEST(Manifests, ComeBackAsTheyWere) {
  const TableMetadata table = SampleTable();
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto spec_id = static_cast<std::int32_t>(seed % 3);
    std::vector<ManifestEntry> entries;
    for (std::size_t i = random() % 20; i > 0; --i) {
      ManifestEntry& entry = entries.emplace_back(RandomEntry(random, table, spec_id, 12));
      if (entry.status != EntryStatus::kExisting) entry.snapshot_id.reset();
      if (entry.status == EntryStatus::kAdded && i % 2 == 0) entry.sequence_number.reset();
    }
    auto manifest = EncodeManifest(ContextFor(table, spec_id), entries);
    ASSERT_THAT(manifest, IsOk());
    manifest->file.sequence_number = 77;
    const auto read = DecodeManifest(manifest->bytes, manifest->file, table);
    ASSERT_THAT(read, IsOk());
    ASSERT_EQ(read->size(), entries.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
      EXPECT_EQ(read->at(i), AsRead(entries[i], 77)) << i;
    }
  }
}

TEST(Manifests, OfDeletesComeBackAsTheyWere) {
  const TableMetadata table = SampleTable();
  std::vector<ManifestEntry> entries(2, WorkedEntry());
  entries[0].data_file.content = FileContent::kPositionDeletes;
  entries[0].data_file.referenced_data_file = "memory://x";
  entries[1].data_file.content = FileContent::kEqualityDeletes;
  entries[1].data_file.equality_ids = {3, 1};
  ManifestContext context = ContextFor(table, 1);
  context.content = ManifestContent::kDeletes;
  auto manifest = EncodeManifest(context, entries);
  ASSERT_THAT(manifest, IsOk());
  manifest->file.sequence_number = 4;
  EXPECT_THAT(DecodeManifest(manifest->bytes, manifest->file, table),
              IsOkAnd(ElementsAre(AsRead(entries[0], 4), AsRead(entries[1], 4))));
}

TEST(Manifests, OfVersionOneHaveSequenceNumberZero) {
  const TableMetadata table = SampleTable();
  ManifestContext context = ContextFor(table, 1);
  context.format_version = 1;
  ManifestEntry old = WorkedEntry();
  old.status = EntryStatus::kExisting;
  old.snapshot_id = 2;
  const auto manifest = EncodeManifest(context, {WorkedEntry(), old});
  ASSERT_THAT(manifest, IsOk());
  EXPECT_EQ(HeaderValue(manifest->bytes, "content"), "");
  EXPECT_EQ(manifest->file.sequence_number, 0);
  const auto read = DecodeManifest(manifest->bytes, manifest->file, table);
  ASSERT_THAT(read, IsOk());
  ASSERT_EQ(read->size(), 2U);
  EXPECT_EQ(read->at(0).snapshot_id, kSnapshot);
  EXPECT_EQ(read->at(1).snapshot_id, 2);
  EXPECT_EQ(read->at(1).sequence_number, 0);
  EXPECT_EQ(read->at(1).file_sequence_number, 0);
  EXPECT_EQ(read->at(1).data_file, old.data_file);
}

TEST(Manifests, OfManyEntriesHaveSeveralBlocks) {
  const TableMetadata table = SampleTable();
  std::mt19937_64 random(1);
  std::vector<ManifestEntry> entries;
  for (int i = 0; i < 2000; ++i) entries.push_back(WorkedEntry());
  for (ManifestEntry& entry : entries) entry.data_file.key_metadata = std::string(2000, 'k');
  auto manifest = EncodeManifest(ContextFor(table, 1), entries);
  ASSERT_THAT(manifest, IsOk());
  auto reader = AvroContainerReader::Open(manifest->bytes);
  int blocks = 0;
  while (reader->Next().value().has_value()) ++blocks;
  EXPECT_EQ(blocks, 4);
  manifest->file.sequence_number = 1;
  EXPECT_THAT(DecodeManifest(manifest->bytes, manifest->file, table),
              IsOkAnd(::testing::SizeIs(2000)));
}

TEST(ManifestDecoding, LeavesUnassignedSequenceNumbersNull) {
  const TableMetadata table = SampleTable();
  const auto manifest = EncodeManifest(ContextFor(table, 1), {WorkedEntry()});
  const auto read = DecodeManifest(manifest->bytes, manifest->file, table);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->at(0).snapshot_id, kSnapshot);
  EXPECT_EQ(read->at(0).sequence_number, std::nullopt);
  EXPECT_EQ(read->at(0).file_sequence_number, std::nullopt);
}

/// A manifest of another writer: this schema, these objects.
std::string Foreign(const std::string& schema, std::string_view format_version,
                    std::vector<std::string> objects) {
  const std::string header =
      EncodeAvroHeader(std::vector<std::pair<std::string_view, std::string_view>>{
          {"format-version", format_version}, {"avro.schema", schema}});
  std::vector<AvroObjects> blocks;
  for (std::string& object : objects) blocks.push_back({1, std::move(object)});
  return EncodeAvroContainer(header, blocks);
}

ManifestFile ForeignFile() {
  ManifestFile file;
  file.manifest_path = "memory://table/metadata/m.avro";
  file.partition_spec_id = 1;
  file.sequence_number = 12;
  file.added_snapshot_id = 99;
  return file;
}

TEST(ManifestDecoding, ReadsVersionThreeAndHandsOutRowIds) {
  const std::string schema = Golden("manifest_entry_v3.json");
  // No first row id; row id 1000; none again.
  const std::string null_id = WorkedBytes("00000000");
  const std::string own_id = WorkedBytes("02d00f02047802020a0208");
  const std::string bytes = Foreign(schema, "3", {null_id, own_id, null_id});
  ManifestFile file = ForeignFile();
  EXPECT_EQ(null_id.size(), 99U);
  file.first_row_id = 500;
  const auto read = DecodeManifest(bytes, file, SampleTable());
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->at(0).data_file.first_row_id, 500);
  EXPECT_EQ(read->at(1).data_file.first_row_id, 1000);
  EXPECT_EQ(read->at(1).data_file.referenced_data_file, "x\x02");
  EXPECT_EQ(read->at(1).data_file.content_offset, 5);
  EXPECT_EQ(read->at(1).data_file.content_size_in_bytes, 4);
  EXPECT_EQ(read->at(2).data_file.first_row_id, 503);
  file.first_row_id.reset();
  EXPECT_EQ(DecodeManifest(bytes, file, SampleTable())->at(1).data_file.first_row_id, std::nullopt);
}

/// A small schema of its own: other order, no ids in places, unknown fields, Avro maps.
constexpr std::string_view kOddSchema =
    R"({"type":"record","name":"manifest_entry","fields":[
    {"name":"data_file","field-id":2,"type":{"type":"record","name":"r2","fields":[
      {"name":"strange","type":{"type":"array","items":["string","null"]}},
      {"name":"file_size_in_bytes","type":["int","null"],"field-id":104},
      {"name":"record_count","type":"int"},
      {"name":"partition","field-id":102,"type":{"type":"record","name":"r102","fields":[]}},
      {"name":"path_with_other_name","type":["string","null"],"field-id":100},
      {"name":"file_format","type":"string"},
      {"name":"lower_bounds","type":["null",{"type":"map","values":"bytes"}],"field-id":125}
    ]}},
    {"name":"status","type":["null","long"],"field-id":0}]})";

std::string OddEntry(std::int64_t status, std::string_view map_key = "4") {
  std::string out;
  AvroEncoder encoder(out);
  encoder.WriteLong(-1);  // The strange array: one item in a block with its size.
  encoder.WriteLong(3);
  encoder.WriteLong(0);
  encoder.WriteBytes("s");
  encoder.WriteLong(0);
  encoder.WriteLong(0);
  encoder.WriteLong(2048);
  encoder.WriteLong(7);
  encoder.WriteLong(0);
  encoder.WriteBytes("file:///p");
  encoder.WriteBytes("parquet");
  encoder.WriteLong(1);
  encoder.WriteLong(1);
  encoder.WriteBytes(map_key);
  encoder.WriteBytes("low");
  encoder.WriteLong(0);
  encoder.WriteLong(1);
  encoder.WriteLong(status);
  return out;
}

TEST(ManifestDecoding, ReadsWhatOtherWritersMakeOfTheSchema) {
  const auto read = DecodeManifest(Foreign(std::string(kOddSchema), "2", {OddEntry(1)}),
                                   ForeignFile(), SampleTable());
  ASSERT_THAT(read, IsOk());
  const ManifestEntry& entry = read->at(0);
  EXPECT_EQ(entry.status, EntryStatus::kAdded);
  EXPECT_EQ(entry.snapshot_id, 99);
  EXPECT_EQ(entry.sequence_number, 12);
  EXPECT_EQ(entry.data_file.file_path, "file:///p");
  EXPECT_EQ(entry.data_file.file_format, "PARQUET");
  EXPECT_EQ(entry.data_file.record_count, 7);
  EXPECT_EQ(entry.data_file.file_size_in_bytes, 2048);
  EXPECT_THAT(entry.data_file.lower_bounds, ElementsAre(std::pair(4, "low")));
}

TEST(ManifestDecoding, RefusesWhatContradictsItself) {
  const std::string schema(kOddSchema);
  const struct {
    std::string_view says;
    std::string bytes;
  } rows[] = {
      {"unknown status", Foreign(schema, "2", {OddEntry(3)})},
      {"no sequence number", Foreign(schema, "2", {OddEntry(0)})},
      {"not a number", Foreign(schema, "2", {OddEntry(1, "four")})},
      {"after its last entry", Foreign(schema, "2", {OddEntry(1) + "x"})},
      {"lacks a required field field=status",
       Foreign(R"({"type":"record","name":"manifest_entry","fields":[]})", "2", {})},
      {"avro schema", Foreign("", "2", {})},
  };
  for (const auto& row : rows) {
    const auto read = DecodeManifest(row.bytes, ForeignFile(), SampleTable());
    EXPECT_THAT(read, IsErrorSaying(ErrorKind::kCorrupt, std::string(row.says)));
    EXPECT_THAT(read,
                IsErrorSaying(ErrorKind::kCorrupt, "manifest=memory://table/metadata/m.avro"));
  }
  ManifestFile unknown_spec = ForeignFile();
  unknown_spec.partition_spec_id = 42;
  EXPECT_THAT(DecodeManifest(Foreign(schema, "2", {}), unknown_spec, SampleTable()),
              IsErrorSaying(ErrorKind::kCorrupt, "spec=42"));
}

TEST(ManifestDecoding, TakesNullSequenceNumbersOfATableThatWasVersionOne) {
  ManifestFile file = ForeignFile();
  file.sequence_number = 0;
  const auto read =
      DecodeManifest(Foreign(std::string(kOddSchema), "2", {OddEntry(0)}), file, SampleTable());
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->at(0).sequence_number, 0);
  EXPECT_EQ(read->at(0).file_sequence_number, 0);
}

TEST(ManifestDecoding, PromotesPartitionValuesWithTheirColumns) {
  // The file has int, float and a plain int for a date; the columns are long, double and date.
  const Schema schema{.fields = {{.id = 1, .name = "l", .type = Type(TypeId::kLong)},
                                 {.id = 2, .name = "d", .type = Type(TypeId::kDouble)},
                                 {.id = 3, .name = "day", .type = Type(TypeId::kDate)}}};
  const PartitionSpec spec{.fields = {{.source_id = 1, .field_id = 1000, .name = "l"},
                                      {.source_id = 2, .field_id = 1001, .name = "d"},
                                      {.source_id = 3, .field_id = 1002, .name = "day"}}};
  const std::string avro =
      ManifestEntrySchema(2, spec, {Type(TypeId::kInt), Type(TypeId::kFloat), Type(TypeId::kInt)});
  const std::string worked = WorkedBytes("00");
  const std::size_t partition = worked.find("PARQUET") + 7;
  std::string object = worked.substr(0, partition);
  AvroEncoder encoder(object);
  encoder.WriteLong(1);
  encoder.WriteInt(-7);
  encoder.WriteLong(1);
  encoder.WriteFloat(1.5F);
  encoder.WriteLong(1);
  encoder.WriteInt(19000);
  object += worked.substr(partition);
  TableMetadata table;
  table.schemas = {std::make_shared<const Schema>(schema)};
  table.partition_specs = {std::make_shared<const PartitionSpec>(spec)};
  ManifestFile file = ForeignFile();
  file.partition_spec_id = 0;
  const auto read = DecodeManifest(Foreign(avro, "2", {object}), file, table);
  ASSERT_THAT(read, IsOk());
  EXPECT_THAT(read->at(0).data_file.partition,
              ElementsAre(Literal{std::int64_t{-7}}, Literal{1.5}, Literal{std::int32_t{19000}}));
}

TEST(ManifestDecoding, KeepsTheValuesOfAPartitionWhoseColumnIsGone) {
  TableMetadata table = SampleTable();
  std::mt19937_64 random(3);
  ManifestEntry entry = RandomEntry(random, table, 0, 1);
  entry.status = EntryStatus::kAdded;
  entry.snapshot_id.reset();
  auto manifest = EncodeManifest(ContextFor(table, 0), {entry});
  ASSERT_THAT(manifest, IsOk());
  table.schemas.push_back(std::make_shared<const Schema>(Schema{.schema_id = 1}));
  table.current_schema_id = 1;
  manifest->file.sequence_number = 1;
  const auto read = DecodeManifest(manifest->bytes, manifest->file, table);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->at(0).data_file.partition, entry.data_file.partition);
}

TEST(ManifestDecoding, NeverTrustsBrokenBytes) {
  const TableMetadata table = SampleTable();
  std::mt19937_64 random(11);
  std::vector<ManifestEntry> entries;
  for (int i = 0; i < 3; ++i) {
    entries.push_back(RandomEntry(random, table, 2, 4));
    entries.back().status = EntryStatus::kAdded;
    entries.back().snapshot_id.reset();
  }
  auto manifest = EncodeManifest(ContextFor(table, 2), entries);
  ASSERT_THAT(manifest, IsOk());
  manifest->file.sequence_number = 1;
  const std::string& bytes = manifest->bytes;
  // The only cut that leaves a whole file is the one after the header.
  std::size_t whole = 0;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto read = DecodeManifest(bytes.substr(0, size), manifest->file, table);
    if (read.has_value()) {
      ++whole;
      EXPECT_TRUE(read->empty());
    } else {
      EXPECT_EQ(read.error().kind, ErrorKind::kCorrupt) << size;
    }
  }
  EXPECT_EQ(whole, 1U);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (random() % 8)));
    const auto read = DecodeManifest(flipped, manifest->file, table);
    EXPECT_TRUE(read.has_value() || read.error().kind == ErrorKind::kCorrupt);
  }
}

TEST(ManifestDecoding, NeverTrustsBrokenObjects) {
  // Uncompressed, so that the flips reach the entries and not only zlib.
  const std::string objects = WorkedBytes("00");
  const std::string schema = Golden("manifest_entry_v2.json");
  std::mt19937_64 random(12);
  for (std::size_t size = 0; size < objects.size(); ++size) {
    EXPECT_THAT(DecodeManifest(Foreign(schema, "2", {objects.substr(0, size)}), ForeignFile(),
                               SampleTable()),
                IsError(ErrorKind::kCorrupt))
        << size;
  }
  for (int round = 0; round < 3000; ++round) {
    std::string flipped = objects;
    for (std::size_t i = 1 + random() % 3; i > 0; --i) {
      const std::size_t at = random() % flipped.size();
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << (random() % 8)));
    }
    const auto read = DecodeManifest(Foreign(schema, "2", {flipped}), ForeignFile(), SampleTable());
    EXPECT_TRUE(read.has_value() || read.error().kind == ErrorKind::kCorrupt);
  }
}

}  // namespace
}  // namespace signaldb
