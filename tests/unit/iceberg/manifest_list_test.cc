#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "iceberg/avro/avro_container.h"
#include "iceberg/avro/avro_encoding.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/manifest/manifest_schema.h"
#include "testing/manifest_samples.h"
#include "testing/matchers.h"

namespace signaldb {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::IsOkAnd;
using testing::RandomManifestFile;
using ::testing::SizeIs;

constexpr ManifestListContext kContext{
    .snapshot_id = 5, .parent_snapshot_id = 4, .sequence_number = 8};

ManifestFile NewManifest(const std::string& name) {
  ManifestFile file;
  file.manifest_path = "memory://table/metadata/" + name;
  file.manifest_length = 4000;
  file.added_snapshot_id = 5;
  file.added_files_count = 1;
  file.added_rows_count = 10;
  return file;
}

std::vector<ManifestFile> RandomManifests(std::uint64_t seed, std::size_t count) {
  std::mt19937_64 random(seed);
  std::vector<ManifestFile> files;
  for (std::size_t i = 0; i < count; ++i) files.push_back(RandomManifestFile(random));
  return files;
}

TEST(ManifestList, ComesBackAsItWas) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    const std::vector<ManifestFile> files = RandomManifests(seed, seed);
    const auto bytes = EncodeManifestList(kContext, files);
    ASSERT_THAT(bytes, IsOk());
    EXPECT_THAT(DecodeManifestList(*bytes, "list"), IsOkAnd(ElementsAreArray(files)));
  }
}

TEST(ManifestList, WithoutManifestsHasNoBlocks) {
  const auto bytes = EncodeManifestList(kContext, {});
  ASSERT_THAT(bytes, IsOk());
  EXPECT_FALSE(AvroContainerReader::Open(*bytes)->Next()->has_value());
  EXPECT_THAT(DecodeManifestList(*bytes, "list"), IsOkAnd(ElementsAre()));
}

TEST(ManifestList, HasTheHeaderKeysReadersAskFor) {
  ManifestListContext first = kContext;
  first.parent_snapshot_id.reset();
  const std::string with_parent = *EncodeManifestList(kContext, {});
  const std::string without = *EncodeManifestList(first, {});
  const auto reader = AvroContainerReader::Open(with_parent);
  EXPECT_EQ(reader->header_value("snapshot-id"), "5");
  EXPECT_EQ(reader->header_value("parent-snapshot-id"), "4");
  EXPECT_EQ(reader->header_value("sequence-number"), "8");
  EXPECT_EQ(reader->header_value("format-version"), "2");
  EXPECT_EQ(AvroContainerReader::Open(without)->header_value("parent-snapshot-id"), "null");
}

TEST(ManifestList, IsPackedOnlyIfItIsLarge) {
  const auto codec_of = [](std::size_t count) {
    const std::vector<ManifestFile> files(count, NewManifest(std::string(1'000, 'a')));
    const std::string bytes = *EncodeManifestList(kContext, files);
    EXPECT_THAT(DecodeManifestList(bytes, "list"), IsOkAnd(SizeIs(count)));
    return std::string(AvroContainerReader::Open(bytes)->codec());
  };
  EXPECT_EQ(codec_of(0), "null");
  EXPECT_EQ(codec_of(60), "null");
  EXPECT_EQ(codec_of(66), "deflate");
}

TEST(ManifestList, AssignsSequenceNumbersToNewManifestsOnly) {
  ManifestFile fresh = NewManifest("a");
  ManifestFile mixed = NewManifest("b");
  mixed.min_sequence_number = 3;
  ManifestFile kept = NewManifest("c");
  kept.added_snapshot_id = 4;
  kept.sequence_number = 7;
  kept.min_sequence_number = 6;
  const auto bytes = EncodeManifestList(kContext, {fresh, mixed, kept});
  ASSERT_THAT(bytes, IsOk());
  fresh.sequence_number = fresh.min_sequence_number = 8;
  mixed.sequence_number = 8;
  EXPECT_THAT(DecodeManifestList(*bytes, "list"), IsOkAnd(ElementsAre(fresh, mixed, kept)));
}

TEST(ManifestList, RefusesRowsThatCannotBe) {
  using Change = void (*)(ManifestFile&);
  const struct {
    std::string_view says;
    Change change;
  } rows[] = {
      {"another snapshot", [](ManifestFile& f) { f.added_snapshot_id = 4; }},
      {"not written yet", [](ManifestFile& f) { f.manifest_path.clear(); }},
      {"not written yet", [](ManifestFile& f) { f.manifest_length = 0; }},
      {"counts that are known", [](ManifestFile& f) { f.added_rows_count = kUnknownCount; }},
      {"row ids", [](ManifestFile& f) { f.first_row_id = 1; }},
  };
  for (const auto& row : rows) {
    ManifestFile file = NewManifest("a");
    row.change(file);
    EXPECT_THAT(EncodeManifestList(kContext, {file}),
                IsErrorSaying(ErrorKind::kInvalid, std::string(row.says)));
  }
  ManifestListContext version_3 = kContext;
  version_3.format_version = 3;
  EXPECT_THAT(EncodeManifestList(version_3, {}), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(AppendManifestList(version_3, {}, "", ""), IsError(ErrorKind::kInvalid));
}

TEST(ManifestList, OfVersionOneKnowsNoSequenceNumbersAndMayKnowNoCounts) {
  ManifestListContext context = kContext;
  context.format_version = 1;
  ManifestFile file = NewManifest("a");
  file.sequence_number = file.min_sequence_number = 0;
  ManifestFile unknown = file;
  unknown.added_files_count = unknown.existing_files_count = kUnknownCount;
  unknown.deleted_rows_count = kUnknownCount;
  const auto bytes = EncodeManifestList(context, {file, unknown});
  ASSERT_THAT(bytes, IsOk());
  EXPECT_EQ(AvroContainerReader::Open(*bytes)->header_value("sequence-number"), "");
  EXPECT_THAT(DecodeManifestList(*bytes, "list"), IsOkAnd(ElementsAre(file, unknown)));
  EXPECT_TRUE(unknown.MayHaveLiveFiles());
  file.content = ManifestContent::kDeletes;
  EXPECT_THAT(EncodeManifestList(context, {file}), IsError(ErrorKind::kInvalid));
}

TEST(ManifestList, ReadsTheNamesOfOlderWriters) {
  const std::string schema = R"({"type":"record","name":"manifest_file","fields":[
      {"name":"manifest_path","type":"string"},{"name":"manifest_length","type":"long"},
      {"name":"partition_spec_id","type":"int"},{"name":"added_snapshot_id","type":["null","long"]},
      {"name":"added_data_files_count","type":["int","null"]},
      {"name":"existing_data_files_count","type":["null","int"]},
      {"name":"deleted_data_files_count","type":["null","int"]},
      {"name":"partitions","type":["null",{"type":"array","items":{"type":"record","name":"r508",
        "fields":[{"name":"contains_null","type":"boolean"},
                  {"name":"lower_bound","type":["null","bytes"]},
                  {"name":"upper_bound","type":["null","bytes"]}]}}]}]})";
  AvroObjects row{.count = 1, .bytes = {}};
  AvroEncoder encoder(row.bytes);
  encoder.WriteBytes("file:///m");
  encoder.WriteLong(9);
  encoder.WriteInt(0);
  encoder.WriteLong(1);
  encoder.WriteLong(77);
  encoder.WriteLong(0);
  encoder.WriteInt(3);
  encoder.WriteLong(1);
  encoder.WriteInt(4);
  encoder.WriteLong(0);  // Null: unknown.
  encoder.WriteLong(1);
  encoder.WriteLong(1);
  encoder.WriteBoolean(true);
  encoder.WriteLong(1);
  encoder.WriteBytes("lo");
  encoder.WriteLong(0);
  encoder.WriteLong(0);
  const std::string header = EncodeAvroHeader(
      std::vector<std::pair<std::string_view, std::string_view>>{{"avro.schema", schema}});
  const auto read = DecodeManifestList(EncodeAvroContainer(header, {&row, 1}), "list");
  ASSERT_THAT(read, IsOk());
  const ManifestFile& file = read->at(0);
  EXPECT_EQ(file.added_snapshot_id, 77);
  EXPECT_EQ(file.added_files_count, 3);
  EXPECT_EQ(file.existing_files_count, 4);
  EXPECT_EQ(file.deleted_files_count, kUnknownCount);
  EXPECT_EQ(file.sequence_number, 0);
  EXPECT_THAT(file.partitions,
              ElementsAre(PartitionFieldSummary{true, std::nullopt, "lo", std::nullopt}));
}

TEST(AppendManifestList, IsTheSameListAsOneWrittenAnew) {
  std::string list = *EncodeManifestList(kContext, {});
  std::vector<ManifestFile> all;
  for (int commit = 0; commit < 300; ++commit) {
    std::vector<ManifestFile> added =
        RandomManifests(static_cast<std::uint64_t>(commit), commit == 7 ? 0 : 1 + commit % 9);
    const auto next = AppendManifestList(kContext, added, list, "list");
    ASSERT_THAT(next, IsOk());
    list = *next;
    all.insert(all.begin(), added.begin(), added.end());
  }
  EXPECT_THAT(DecodeManifestList(list, "list"), IsOkAnd(ElementsAreArray(all)));
  int blocks = 0;
  auto reader = AvroContainerReader::Open(list);
  while (reader->Next()->has_value()) ++blocks;
  EXPECT_GE(blocks, 2);  // Large blocks are left as they are,
  EXPECT_LE(blocks, 6);  // and there is not one for each commit.
}

TEST(AppendManifestList, WritesAListOfAnotherWriterAnew) {
  ManifestListContext old = kContext;
  old.format_version = 1;
  ManifestFile kept = NewManifest("old");
  kept.sequence_number = kept.min_sequence_number = 0;
  const auto list =
      AppendManifestList(kContext, {NewManifest("new")}, *EncodeManifestList(old, {kept}), "list");
  ASSERT_THAT(list, IsOk());
  EXPECT_EQ(AvroContainerReader::Open(*list)->header_value("avro.schema"), ManifestListSchema(2));
  ManifestFile added = NewManifest("new");
  added.sequence_number = added.min_sequence_number = 8;
  EXPECT_THAT(DecodeManifestList(*list, "list"), IsOkAnd(ElementsAre(added, kept)));
}

TEST(AppendManifestList, NamesAPreviousListThatIsBroken) {
  EXPECT_THAT(AppendManifestList(kContext, {NewManifest("a")}, "junk", "the-list"),
              IsErrorSaying(ErrorKind::kCorrupt, "list=the-list"));
  std::string cut = *EncodeManifestList(kContext, RandomManifests(1, 5));
  cut.pop_back();
  EXPECT_THAT(AppendManifestList(kContext, {NewManifest("a")}, cut, "the-list"),
              IsErrorSaying(ErrorKind::kCorrupt, "list=the-list"));
}

TEST(ManifestListDecoding, NeverTrustsBrokenBytes) {
  const std::string bytes = *EncodeManifestList(kContext, RandomManifests(2, 8));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto read = DecodeManifestList(bytes.substr(0, size), "list");
    EXPECT_TRUE(read.has_value() || read.error().kind == ErrorKind::kCorrupt);
  }
  std::mt19937_64 random(3);
  AvroObjects rows{.count = 8, .bytes = {}};
  auto reader = AvroContainerReader::Open(bytes);
  rows.bytes = *reader->Unpack(**reader->Next());
  const std::string header =
      EncodeAvroHeader(std::vector<std::pair<std::string_view, std::string_view>>{
          {"avro.schema", ManifestListSchema(2)}});
  for (int round = 0; round < 3000; ++round) {
    AvroObjects flipped = rows;
    const std::size_t at = random() % flipped.bytes.size();
    flipped.bytes[at] = static_cast<char>(flipped.bytes[at] ^ (1 << (random() % 8)));
    const auto read = DecodeManifestList(EncodeAvroContainer(header, {&flipped, 1}), "list");
    EXPECT_TRUE(read.has_value() || read.error().kind == ErrorKind::kCorrupt);
  }
}

}  // namespace
}  // namespace signaldb
