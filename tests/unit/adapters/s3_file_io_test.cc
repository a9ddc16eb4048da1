#include "adapters/object_store/s3_file_io.h"

#include <string>

#include <gtest/gtest.h>

#include "adapters/object_store/s3_endpoint.h"
#include "testing/matchers.h"

// What needs no store; tests/e2e/test_object_store.py has one.

namespace signaldb {
namespace {

class EndOfProcess final : public ::testing::Environment {
  void TearDown() override { S3FileIo::EndProcess(); }
};
const auto* const kEnd = ::testing::AddGlobalTestEnvironment(new EndOfProcess);

using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOkAnd;

TEST(S3FileIo, TakesTheSchemesThatOtherWritersUse) {
  EXPECT_THAT(KeyOfS3Location("s3://bucket/a/b.parquet"), IsOkAnd("bucket/a/b.parquet"));
  EXPECT_THAT(KeyOfS3Location("s3a://bucket/a"), IsOkAnd("bucket/a"));
  EXPECT_THAT(KeyOfS3Location("s3n://bucket/a=1/b"), IsOkAnd("bucket/a=1/b"));
}

TEST(S3FileIo, RefusesWhatIsNoObject) {
  for (const char* wrong : {"", "s3://", "s3://bucket", "s3://bucket/", "s3://bucket//a", "s3:///a",
                            "s3://bucket/../other", "s3://bucket/a/./b", "s3://bucket/a/",
                            "file:///a/b", "gs://bucket/a"}) {
    EXPECT_THAT(KeyOfS3Location(wrong), IsErrorSaying(ErrorKind::kInvalid, "s3://bucket/key"))
        << wrong;
  }
}

TEST(S3FileIo, RefusesHalfAKeyAndEndpointsThatAreNone) {
  EXPECT_THAT(S3FileIo::Make({.access_key_id = "id"}),
              IsErrorSaying(ErrorKind::kInvalid, "belong together"));
  for (const char* wrong :
       {"minio:9000", "ftp://minio", "https://", "https://a/b", "http://u@h", "http://a:0",
        "http://a:65536", "http://a:9000x", "http://:9000", "http://a:", "http://[::1]9000:x"}) {
    EXPECT_THAT(S3FileIo::Make({.endpoint = wrong}),
                IsErrorSaying(ErrorKind::kInvalid, "expected an endpoint"))
        << wrong;
  }
  for (const char* right : {"", "http://a", "https://minio.internal:65535/", "http://[::1]:9000"}) {
    EXPECT_THAT(CheckS3Endpoint(right), testing::IsOk()) << right;
  }
}

TEST(S3FileIo, AStoreThatIsAwayIsWorthAnotherTry) {
  auto io = S3FileIo::Make({.endpoint = "http://127.0.0.1:1",
                            .region = "us-east-1",
                            .access_key_id = "id",
                            .secret_access_key = "secret"});
  ASSERT_TRUE(io.has_value());
  EXPECT_THAT((*io)->Read("s3://bucket/a"), IsError(ErrorKind::kUnavailable));
}

}  // namespace
}  // namespace signaldb
