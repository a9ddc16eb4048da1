#include "iceberg/manifest/manifest_merge.h"

#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/memory/memory_file_io.h"
#include "testing/manifest_samples.h"
#include "testing/matchers.h"

namespace signaldb {
namespace {

using ::testing::ElementsAre;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::IsOkAnd;
using testing::RandomEntry;
using testing::SampleTable;
using ::testing::SizeIs;

constexpr std::int64_t kOurs = 50;
constexpr std::int64_t kOlder = 40;

ManifestFile Sized(const std::string& path, std::int64_t length, std::int32_t spec_id = 1) {
  ManifestFile file;
  file.manifest_path = path;
  file.manifest_length = length;
  file.partition_spec_id = spec_id;
  return file;
}

std::vector<std::vector<std::string>> Paths(const std::vector<std::vector<ManifestFile>>& bins) {
  std::vector<std::vector<std::string>> out;
  for (const auto& bin : bins) {
    out.emplace_back();
    for (const ManifestFile& file : bin) out.back().push_back(file.manifest_path);
  }
  return out;
}

using PathBins = std::vector<std::vector<std::string>>;

TEST(PackManifests, TakesNoMoreThanTheTargetFromTheNewest) {
  const ManifestMergeOptions options{.count_min = 3, .target_bytes = 10};
  const std::vector<ManifestFile> files = {Sized("new", 4), Sized("b", 4), Sized("c", 2),
                                           Sized("d", 1)};
  EXPECT_EQ(Paths(PackManifests(options, files)), (PathBins{{"new", "b", "c"}, {"d"}}));
}

TEST(PackManifests, MergesWhenThereAreEnough) {
  const ManifestMergeOptions options{.count_min = 3, .target_bytes = 100};
  const std::vector<ManifestFile> two = {Sized("new", 4), Sized("b", 4)};
  EXPECT_EQ(Paths(PackManifests(options, two)), (PathBins{{"new"}, {"b"}}));
  const std::vector<ManifestFile> three = {Sized("new", 4), Sized("b", 4), Sized("c", 4)};
  EXPECT_EQ(Paths(PackManifests(options, three)), (PathBins{{"new", "b", "c"}}));
}

TEST(PackManifests, LeavesManifestsOfMoreThanHalfTheTargetAlone) {
  const ManifestMergeOptions options{.count_min = 2, .target_bytes = 10};
  const std::vector<ManifestFile> files = {Sized("new", 1), Sized("large", 6), Sized("c", 5)};
  EXPECT_EQ(Paths(PackManifests(options, files)), (PathBins{{"new", "c"}, {"large"}}));
  const std::vector<ManifestFile> all_large = {Sized("new", 6), Sized("b", 7), Sized("c", 1'000)};
  EXPECT_EQ(Paths(PackManifests(options, all_large)), (PathBins{{"new"}, {"b"}, {"c"}}));
}

TEST(PackManifests, TakesAnOlderOneOnlyIfItHasNoMoreFilesThanAllNewer) {
  const ManifestMergeOptions options{.count_min = 5, .target_bytes = 1'000};
  const auto packed = [&](const std::vector<std::int32_t>& files_of) {
    std::vector<ManifestFile> files;
    for (std::size_t i = 0; i < files_of.size(); ++i) {
      files.push_back(Sized(std::to_string(i), 1));
      files.back().existing_files_count = files_of[i];
    }
    std::vector<std::size_t> sizes;
    for (const auto& bin : PackManifests(options, files)) sizes.push_back(bin.size());
    return sizes;
  };
  EXPECT_THAT(packed({1, 1, 1, 1, 4}), ElementsAre(5));
  EXPECT_THAT(packed({1, 1, 1, 1, 5}), ElementsAre(4, 1));
  EXPECT_THAT(packed({1, 1, 3, 6, 12}), ElementsAre(2, 1, 1, 1));
  // A large one among the newest does not keep the small ones behind it.
  EXPECT_THAT(packed({1, 100, 1, 1, 1}), ElementsAre(5));
  // Fewer than five are left, whatever it costs.
  EXPECT_THAT(packed({1, 2, 4, 8, 16}), ElementsAre(2, 1, 1, 1));
  EXPECT_THAT(packed({1, 2, 4, 8, 16, 32}), ElementsAre(3, 1, 1, 1));
}

// Rewriting all files in every merge would be 51 times for each.
TEST(PackManifests, WritesEveryFileDownAFewTimesOnly) {
  std::vector<ManifestFile> table;
  std::int64_t rewritten = 0;
  constexpr int kCommits = 10'000;
  for (int commit = 0; commit < kCommits; ++commit) {
    table.insert(table.begin(), Sized(std::to_string(commit), 1));
    table.front().added_files_count = 1;
    std::vector<ManifestFile> next;
    for (const auto& bin : PackManifests({}, table)) {
      next.push_back(bin.front());
      for (std::size_t i = 1; i < bin.size(); ++i) {
        next.back().added_files_count += bin[i].added_files_count;
      }
      if (bin.size() > 1) rewritten += next.back().added_files_count;
    }
    table = std::move(next);
    ASSERT_LT(table.size(), 100U);
  }
  EXPECT_LT(rewritten, 6 * kCommits);
}

TEST(IsWorthMerging, AgreesWithWhatIsPacked) {
  const ManifestMergeOptions options{.count_min = 3, .target_bytes = 10};
  EXPECT_FALSE(IsWorthMerging(options, {}));
  std::vector<ManifestFile> files = {Sized("new", 1), Sized("b", 1), Sized("large", 6)};
  EXPECT_FALSE(IsWorthMerging(options, files));
  files.push_back(Sized("c", 1));
  EXPECT_TRUE(IsWorthMerging(options, files));
  EXPECT_FALSE(IsWorthMerging({.enabled = false, .count_min = 3}, files));
  files.back().content = ManifestContent::kDeletes;
  EXPECT_FALSE(IsWorthMerging(options, files));
  // Two of an old spec are enough.
  files.push_back(Sized("d", 1, 0));
  EXPECT_FALSE(IsWorthMerging(options, files));
  files.push_back(Sized("e", 1, 0));
  EXPECT_TRUE(IsWorthMerging(options, files));
}

TEST(PackManifests, KeepsSpecsApartTheHighestFirst) {
  const ManifestMergeOptions options{.count_min = 100, .target_bytes = 100};
  const std::vector<ManifestFile> files = {Sized("new", 1, 1), Sized("b", 1, 2), Sized("c", 1, 0),
                                           Sized("d", 1, 0), Sized("e", 1, 2)};
  EXPECT_EQ(Paths(PackManifests(options, files)), (PathBins{{"b", "e"}, {"new"}, {"c", "d"}}));
}

TEST(PackManifests, OfNothingIsNothing) { EXPECT_EQ(Paths(PackManifests({}, {})), PathBins{}); }

TEST(ManifestMergeOptions, ComeFromTheTableProperties) {
  const auto standard = ManifestMergeOptions::From({});
  ASSERT_THAT(standard, IsOk());
  EXPECT_TRUE(standard->enabled);
  EXPECT_EQ(standard->count_min, 100U);
  EXPECT_EQ(standard->target_bytes, 8'388'608);
  const auto set = ManifestMergeOptions::From({{"commit.manifest-merge.enabled", "false"},
                                               {"commit.manifest.min-count-to-merge", "7"},
                                               {"commit.manifest.target-size-bytes", "1"}});
  ASSERT_THAT(set, IsOk());
  EXPECT_FALSE(set->enabled);
  EXPECT_EQ(set->count_min, 7U);
  EXPECT_EQ(set->target_bytes, 1);
  for (const std::string value : {"", "0", "-1", "8MB", "99999999999999999999"}) {
    EXPECT_THAT(ManifestMergeOptions::From({{"commit.manifest.target-size-bytes", value}}),
                IsErrorSaying(ErrorKind::kInvalid, "commit.manifest.target-size-bytes"));
  }
}

/// A table in memory whose manifests are written one by one.
class ManifestMerging : public ::testing::Test {
 protected:
  ManifestEntry Entry(const std::string& name, EntryStatus status, std::int64_t snapshot_id) {
    ManifestEntry entry = RandomEntry(random_, table_, spec_id_, 2);
    entry.data_file.file_path = name;
    entry.data_file.content =
        content_ == ManifestContent::kData ? FileContent::kData : FileContent::kPositionDeletes;
    entry.data_file.record_count = 10;
    entry.status = status;
    entry.snapshot_id = snapshot_id;
    entry.sequence_number.reset();
    entry.file_sequence_number.reset();
    if (status != EntryStatus::kAdded) entry.sequence_number = entry.file_sequence_number = 2;
    return entry;
  }

  /// Writes a manifest of `snapshot_id`. Those of older snapshots have sequence number 3.
  ManifestFile Write(const std::vector<ManifestEntry>& entries, std::int64_t snapshot_id) {
    auto manifest = EncodeManifest({.schema = &table_.schema(),
                                    .spec = table_.SpecById(spec_id_),
                                    .content = content_,
                                    .snapshot_id = snapshot_id},
                                   entries);
    EXPECT_THAT(manifest, IsOk());
    manifest->file.manifest_path = NextLocation();
    EXPECT_THAT(WriteFile(io_, manifest->file.manifest_path, manifest->bytes), IsOk());
    if (snapshot_id != kOurs) {
      manifest->file.sequence_number = 3;
      if (manifest->file.min_sequence_number == kUnassignedSequenceNumber) {
        manifest->file.min_sequence_number = 3;
      }
    }
    return manifest->file;
  }

  ManifestFile WriteOlder(const std::string& name) {
    return Write({Entry(name, EntryStatus::kAdded, kOlder)}, kOlder);
  }
  ManifestFile WriteOurs(const std::string& name) {
    return Write({Entry(name, EntryStatus::kAdded, kOurs)}, kOurs);
  }

  std::string NextLocation() {
    return "memory://table/metadata/m" + std::to_string(++written_) + ".avro";
  }

  ManifestMerger Merger(ManifestMergeOptions options) {
    return {io_, options, kOurs, [this] { return NextLocation(); }};
  }

  std::vector<ManifestEntry> Read(const ManifestFile& file) {
    auto entries = DecodeManifest(io_.Read(file.manifest_path).value(), file, table_);
    EXPECT_THAT(entries, IsOk());
    return *entries;
  }

  MemoryFileIo io_;
  TableMetadata table_ = SampleTable();
  std::mt19937_64 random_{1};
  std::int32_t spec_id_ = 0;
  ManifestContent content_ = ManifestContent::kData;
  int written_ = 0;
};

TEST_F(ManifestMerging, GivesEveryEntryItsStatus) {
  const ManifestFile ours = Write({Entry("added-now", EntryStatus::kAdded, kOurs),
                                   Entry("deleted-now", EntryStatus::kDeleted, kOurs),
                                   Entry("kept-now", EntryStatus::kExisting, kOlder - 1)},
                                  kOurs);
  const ManifestFile older = Write({Entry("added-then", EntryStatus::kAdded, kOlder),
                                    Entry("deleted-then", EntryStatus::kDeleted, kOlder)},
                                   kOlder);
  ManifestMerger merger = Merger({.count_min = 2});
  const auto merged = merger.Merge(table_, {ours}, {older});
  ASSERT_THAT(merged, IsOkAnd(SizeIs(1)));
  const ManifestFile& file = merged->at(0);
  EXPECT_THAT(merger.written(), ElementsAre(file.manifest_path));
  EXPECT_EQ(file.added_snapshot_id, kOurs);
  EXPECT_EQ(file.sequence_number, kUnassignedSequenceNumber);
  EXPECT_EQ(file.min_sequence_number, 2);
  EXPECT_EQ(file.added_files_count, 1);
  EXPECT_EQ(file.existing_files_count, 2);
  EXPECT_EQ(file.deleted_files_count, 1);
  const std::vector<ManifestEntry> entries = Read(file);
  ASSERT_THAT(entries, SizeIs(4));
  EXPECT_EQ(entries[0].data_file.file_path, "added-now");
  EXPECT_EQ(entries[0].status, EntryStatus::kAdded);
  EXPECT_EQ(entries[0].sequence_number, std::nullopt);
  EXPECT_EQ(entries[1].data_file.file_path, "deleted-now");
  EXPECT_EQ(entries[1].status, EntryStatus::kDeleted);
  EXPECT_EQ(entries[1].sequence_number, 2);
  EXPECT_EQ(entries[2].data_file.file_path, "kept-now");
  EXPECT_EQ(entries[3].data_file.file_path, "added-then");
  EXPECT_EQ(entries[3].status, EntryStatus::kExisting);
  EXPECT_EQ(entries[3].snapshot_id, kOlder);
  EXPECT_EQ(entries[3].sequence_number, 3);
  EXPECT_EQ(entries[3].file_sequence_number, 3);
}

TEST_F(ManifestMerging, KeepsManifestsThatNeedNoMerge) {
  const ManifestFile ours = WriteOurs("a");
  const ManifestFile older = WriteOlder("b");
  ManifestMerger merger = Merger({});
  EXPECT_THAT(merger.Merge(table_, {ours}, {older}), IsOkAnd(ElementsAre(ours, older)));
  EXPECT_THAT(merger.written(), ElementsAre());
  ManifestMerger disabled = Merger({.enabled = false, .count_min = 1});
  EXPECT_THAT(disabled.Merge(table_, {ours}, {older}), IsOkAnd(ElementsAre(ours, older)));
}

TEST_F(ManifestMerging, LeavesOutOlderManifestsWithoutLiveFiles) {
  const ManifestFile ours = Write({Entry("x", EntryStatus::kDeleted, kOurs)}, kOurs);
  const ManifestFile dead = Write({Entry("y", EntryStatus::kDeleted, kOlder)}, kOlder);
  ManifestFile unknown = WriteOlder("z");
  unknown.added_files_count = unknown.existing_files_count = kUnknownCount;
  EXPECT_THAT(Merger({}).Merge(table_, {ours}, {dead, unknown}),
              IsOkAnd(ElementsAre(ours, unknown)));
}

TEST_F(ManifestMerging, KeepsDataAndDeletesApart) {
  const ManifestFile data = WriteOurs("a");
  const ManifestFile older_data = WriteOlder("b");
  content_ = ManifestContent::kDeletes;
  const ManifestFile deletes = WriteOlder("c");
  const ManifestFile more_deletes = WriteOlder("d");
  const auto merged =
      Merger({.count_min = 2}).Merge(table_, {data}, {deletes, older_data, more_deletes});
  ASSERT_THAT(merged, IsOkAnd(SizeIs(2)));
  EXPECT_EQ(merged->at(0).content, ManifestContent::kData);
  EXPECT_EQ(merged->at(1).content, ManifestContent::kDeletes);
  EXPECT_THAT(Read(merged->at(1)), SizeIs(2));
}

TEST_F(ManifestMerging, WritesABinOnceForAllAttempts) {
  spec_id_ = 2;
  const ManifestFile ours = WriteOurs("new");
  spec_id_ = 1;
  const std::vector<ManifestFile> old_spec = {WriteOlder("a"), WriteOlder("b")};
  ManifestMerger merger = Merger({});
  const auto first = merger.Merge(table_, {ours}, old_spec);
  ASSERT_THAT(first, IsOkAnd(SizeIs(2)));
  EXPECT_THAT(merger.written(), SizeIs(1));
  // Another writer appended to the spec of ours: the other bin has the same members.
  spec_id_ = 2;
  std::vector<ManifestFile> refreshed = {WriteOlder("c")};
  refreshed.insert(refreshed.end(), old_spec.begin(), old_spec.end());
  const auto second = merger.Merge(table_, {ours}, refreshed);
  ASSERT_THAT(second, IsOkAnd(SizeIs(3)));
  EXPECT_EQ(second->at(2), first->at(1));
  EXPECT_THAT(merger.written(), SizeIs(1));
  // Other members: written again.
  spec_id_ = 1;
  refreshed.push_back(WriteOlder("d"));
  EXPECT_THAT(merger.Merge(table_, {ours}, refreshed), IsOk());
  EXPECT_THAT(merger.written(), SizeIs(2));
}

TEST_F(ManifestMerging, KeepsPartitionValuesOfColumnsThatAreGone) {
  const ManifestFile a = WriteOlder("a");
  const ManifestFile b = WriteOlder("b");
  const auto before = Read(a).at(0).data_file.partition;
  table_.schemas.push_back(std::make_shared<const Schema>(Schema{.schema_id = 1}));
  table_.current_schema_id = 1;
  const auto merged = Merger({.count_min = 2}).Merge(table_, {}, {a, b});
  ASSERT_THAT(merged, IsOkAnd(SizeIs(1)));
  EXPECT_EQ(Read(merged->at(0)).at(0).data_file.partition, before);
}

TEST_F(ManifestMerging, NamesAManifestThatIsGoneOrBroken) {
  const ManifestFile a = WriteOlder("a");
  const ManifestFile b = WriteOlder("b");
  ASSERT_THAT(io_.Delete(b.manifest_path), IsOk());
  EXPECT_THAT(Merger({.count_min = 2}).Merge(table_, {}, {a, b}),
              IsErrorSaying(ErrorKind::kCorrupt, "manifest=" + b.manifest_path));
  ASSERT_THAT(WriteFile(io_, b.manifest_path, "junk"), IsOk());
  EXPECT_THAT(Merger({.count_min = 2}).Merge(table_, {}, {a, b}),
              IsErrorSaying(ErrorKind::kCorrupt, "manifest=" + b.manifest_path));
}

}  // namespace
}  // namespace signaldb
