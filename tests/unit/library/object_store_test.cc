#include "signaldb/object_store.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "testing/matchers.h"
#include "testing/temp_dir.h"

// Stores that need no server; tests/suites/test_tables_in_s3.py has one.

namespace signaldb {
namespace {

class EndOfProcess final : public ::testing::Environment {
  void TearDown() override { ObjectStore::EndProcess(); }
};
const auto* const kEnd = ::testing::AddGlobalTestEnvironment(new EndOfProcess);

using testing::IsErrorSaying;
using testing::IsOk;
using testing::TempDir;

StorageConfig InS3(const std::string& dsn) {
  StorageConfig config;
  config.dsn = dsn;
  config.access_key_id = "id";
  config.secret_access_key = "secret";
  return config;
}

TEST(ObjectStore, IsOpenedByItsDsn) {
  const TempDir dir;
  const auto files = ObjectStore::Open("file://" + (dir / "tables") + "//");
  ASSERT_THAT(files, IsOk());
  EXPECT_EQ((*files)->warehouse(), "file://" + (dir / "tables"));
  EXPECT_TRUE(std::filesystem::is_directory(dir / "tables"));
  const auto memory = ObjectStore::Open(StorageConfig());
  ASSERT_THAT(memory, IsOk());
  EXPECT_EQ((*memory)->warehouse(), "memory://");
  const auto bucket = ObjectStore::Open(InS3("s3a://bucket/some//prefix/?region=eu-1"));
  ASSERT_THAT(bucket, IsOk());
  EXPECT_EQ((*bucket)->warehouse(), "s3://bucket/some/prefix");
}

TEST(ObjectStore, RefusesWhatIsNone) {
  for (const char* const wrong : {"", "gs://bucket", "file://relative", "/data", "memory"}) {
    EXPECT_THAT(ObjectStore::Open(wrong), IsErrorSaying(ErrorKind::kInvalid, "s3://bucket/prefix"))
        << wrong;
  }
  EXPECT_THAT(ObjectStore::Open("file:///data/a%20b"),
              IsErrorSaying(ErrorKind::kInvalid, "hold %"));
  EXPECT_THAT(ObjectStore::Open("s3://b"), IsErrorSaying(ErrorKind::kInvalid, "bucket=b"));
  EXPECT_THAT(ObjectStore::Open(InS3("s3://bucket?endpoint=minio")),
              IsErrorSaying(ErrorKind::kInvalid, "endpoint=minio"));
  StorageConfig half = InS3("s3://bucket/prefix");
  half.secret_access_key.clear();
  EXPECT_THAT(ObjectStore::Open(half), IsErrorSaying(ErrorKind::kInvalid, "belong together"));
  StorageConfig relative = InS3("s3://bucket/prefix");
  relative.journal_folder = "journals";
  EXPECT_THAT(ObjectStore::Open(relative),
              IsErrorSaying(ErrorKind::kInvalid, "storage.journal_folder=journals"));
}

TEST(ObjectStore, MakesTheFolderOfItsJournals) {
  const TempDir dir;
  StorageConfig config = InS3("s3://bucket/prefix");
  config.journal_folder = dir / "deep/journals";
  EXPECT_THAT(ObjectStore::Open(config), IsOk());
  EXPECT_TRUE(std::filesystem::is_directory(config.journal_folder));
}

}  // namespace
}  // namespace signaldb
