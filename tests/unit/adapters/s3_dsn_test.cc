#include "adapters/object_store/s3_dsn.h"

#include <string>

#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace signaldb {
namespace {

using testing::IsErrorSaying;
using testing::IsOk;

TEST(S3Dsn, NamesBucketAndPrefixWithoutAFinalSlash) {
  const std::pair<const char*, const char*> cases[] = {
      {"s3://my-data-bucket/iceberg-tables/", "s3://my-data-bucket/iceberg-tables"},
      {"s3://bucket", "s3://bucket"},
      {"s3://bucket/", "s3://bucket"},
      {"s3a://bucket//a//b/", "s3://bucket/a/b"},
      {"s3n://bucket/a_b", "s3://bucket/a_b"},
  };
  for (const auto& [dsn, warehouse] : cases) {
    const auto parsed = ParseS3Dsn(dsn);
    ASSERT_THAT(parsed, IsOk()) << dsn;
    EXPECT_EQ(parsed->warehouse, warehouse);
    EXPECT_TRUE(IsS3Dsn(dsn));
  }
  EXPECT_FALSE(IsS3Dsn("file:///s3"));
  EXPECT_FALSE(IsS3Dsn("gs://bucket"));
}

TEST(S3Dsn, ReadsItsOptions) {
  const auto parsed = ParseS3Dsn(
      "s3://bucket/p?endpoint=https://minio.internal:9000&region=eu-west-1&path_style=false");
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->endpoint, "https://minio.internal:9000");
  EXPECT_EQ(parsed->region, "eu-west-1");
  EXPECT_EQ(parsed->path_style, false);
  EXPECT_FALSE(ParseS3Dsn("s3://bucket/p")->path_style.has_value());
}

TEST(S3Dsn, RefusesWhatWouldStoreDataInTheWrongPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"s3://key:secret@host:9000/bucket", "keys into storage.access_key_id"},
      {"s3://host:9000/bucket", "the host goes into ?endpoint="},
      {"s3://", "expected a bucket"},
      {"s3://ab/x", "expected a bucket of 3 to 63"},
      {"s3://Bucket/x", "bucket=Bucket"},
      {"s3://bucket/a/../b", "part=.."},
      {"s3://bucket/a%20b", "part=a%20b"},
      {"s3://bucket/a b", "part=a b"},
      {"s3://bucket/a?colour=red", "option=colour=red"},
      {"s3://bucket/a?path_style=yes", "option=path_style=yes"},
      {"s3://bucket/a?endpoint=", "option=endpoint="},
  };
  for (const auto& [dsn, why] : cases)
    EXPECT_THAT(ParseS3Dsn(dsn), IsErrorSaying(ErrorKind::kInvalid, why)) << dsn;
  EXPECT_THAT(ParseS3Dsn("s3://" + std::string(64, 'a')),
              IsErrorSaying(ErrorKind::kInvalid, "expected a bucket"));
  EXPECT_THAT(ParseS3Dsn("s3://" + std::string(63, 'a')), IsOk());
}

}  // namespace
}  // namespace signaldb
