#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/local/text_file.h"
#include "signaldb/config.h"
#include "testing/matchers.h"
#include "testing/temp_dir.h"

namespace signaldb {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using testing::IsErrorSaying;
using testing::IsOk;
using ::testing::Not;
using testing::TempDir;

Result<Configuration> From(const std::vector<std::string>& variables) {
  std::vector<const char*> environment;
  for (const std::string& variable : variables) environment.push_back(variable.c_str());
  environment.push_back(nullptr);
  return Configuration::FromEnvironment(environment.data());
}

TEST(FromEnvironment, AnEmptyOneIsTheDefaults) {
  const auto config = From({"PATH=/bin", "SIGNALDB_LOG=debug", "NOEQUALS"});
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->schema.catalog_uri, "sqlite::memory:");
  EXPECT_EQ(config->storage.dsn, "memory://");
  EXPECT_EQ(config->batch, BatchOptimizationConfig());
  EXPECT_EQ(config->retry, RetryConfig());
}

TEST(FromEnvironment, TakesTheThreeDocumentedNames) {
  const auto config =
      From({"SIGNALDB_SCHEMA_CATALOG_TYPE=memory", "SIGNALDB_SCHEMA_CATALOG_URI=postgres://h/d?a=b",
            "SIGNALDB_STORAGE_DSN=file:///data"});
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->schema.catalog_type, "memory");
  EXPECT_EQ(config->schema.catalog_uri, "postgres://h/d?a=b");
  EXPECT_EQ(config->storage.dsn, "file:///data");
}

TEST(FromEnvironment, TheDoubleFormIsStronger) {
  const auto config =
      From({"SIGNALDB__STORAGE__DSN=file:///double", "SIGNALDB_STORAGE_DSN=file:///single"});
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->storage.dsn, "file:///double");
}

TEST(FromEnvironment, TakesEveryField) {
  const auto config = From({
      "SIGNALDB__SCHEMA__CATALOG_TYPE=sql",
      "SIGNALDB__SCHEMA__CATALOG_URI=sqlite:///a.db",
      "SIGNALDB__SCHEMA__CATALOG_NAME=other",
      "SIGNALDB__STORAGE__ENDPOINT=https://minio:9000",
      "SIGNALDB__STORAGE__REGION=eu-1",
      "SIGNALDB__STORAGE__PATH_STYLE=false",
      "SIGNALDB__STORAGE__ACCESS_KEY_ID=id",
      "SIGNALDB__STORAGE__SECRET_ACCESS_KEY=secret",
      "SIGNALDB__STORAGE__JOURNAL_FOLDER=/var/journals",
      "SIGNALDB__BATCH__MAX_ROWS_PER_BATCH=7",
      "SIGNALDB__BATCH__MAX_MEMORY_PER_BATCH_BYTES=64MiB",
      "SIGNALDB__BATCH__ENABLE_AUTO_SPLIT=false",
      "SIGNALDB__BATCH__TARGET_CONCURRENT_BATCHES=2",
      "SIGNALDB__BATCH__ENABLE_CATALOG_CACHING=false",
      "SIGNALDB__BATCH__CATALOG_CACHE_TTL_SECONDS=9",
      "SIGNALDB__MEMORY__LIMIT_BYTES=1GB",
      "SIGNALDB__MEMORY__WHEN_EXHAUSTED=fail",
      "SIGNALDB__MEMORY__WAIT_TIMEOUT=2m",
      "SIGNALDB__CATALOG_POOL__MIN_CONNECTIONS=1",
      "SIGNALDB__CATALOG_POOL__MAX_CONNECTIONS=3",
      "SIGNALDB__CATALOG_POOL__CONNECTION_TIMEOUT_MS=4",
      "SIGNALDB__CATALOG_POOL__IDLE_TIMEOUT_SECONDS=5",
      "SIGNALDB__CATALOG_POOL__MAX_LIFETIME_SECONDS=6",
      "SIGNALDB__RETRY__MAX_ATTEMPTS=8",
      "SIGNALDB__RETRY__INITIAL_DELAY=10ms",
      "SIGNALDB__RETRY__MAX_DELAY=10s",
      "SIGNALDB__RETRY__BACKOFF_MULTIPLIER=1.5",
  });
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->schema.catalog_uri, "sqlite:///a.db");
  EXPECT_EQ(config->schema.catalog_name, "other");
  EXPECT_EQ(config->storage.endpoint, "https://minio:9000");
  EXPECT_EQ(config->storage.region, "eu-1");
  EXPECT_FALSE(config->storage.path_style);
  EXPECT_EQ(config->storage.access_key_id, "id");
  EXPECT_EQ(config->storage.secret_access_key, "secret");
  EXPECT_EQ(config->storage.journal_folder, "/var/journals");
  EXPECT_EQ(config->batch,
            (BatchOptimizationConfig{.max_rows_per_batch = 7,
                                     .max_memory_per_batch_bytes = std::int64_t{64} << 20,
                                     .enable_auto_split = false,
                                     .target_concurrent_batches = 2,
                                     .enable_catalog_caching = false,
                                     .catalog_cache_ttl_seconds = 9}));
  EXPECT_EQ(config->memory, (MemoryConfig{.limit_bytes = 1'000'000'000,
                                          .when_exhausted = MemoryConfig::WhenExhausted::kFail,
                                          .wait_timeout = milliseconds(120'000)}));
  EXPECT_EQ(config->catalog_pool, (CatalogPoolConfig{.min_connections = 1,
                                                     .max_connections = 3,
                                                     .connection_timeout_ms = 4,
                                                     .idle_timeout_seconds = 5,
                                                     .max_lifetime_seconds = 6}));
  EXPECT_EQ(config->retry, (RetryConfig{.max_attempts = 8,
                                        .initial_delay = milliseconds(10),
                                        .max_delay = milliseconds(10'000),
                                        .backoff_multiplier = 1.5}));
}

TEST(FromEnvironment, NamesWhatItDoesNotKnow) {
  EXPECT_THAT(From({"SIGNALDB__RETRY__MAX_TRIES=3"}),
              IsErrorSaying(ErrorKind::kInvalid, "it has retry.max_attempts, retry.initial_delay"));
  EXPECT_THAT(From({"SIGNALDB__COMMIT__INTERVAL=5s"}),
              IsErrorSaying(ErrorKind::kInvalid,
                            "nor its section key=commit.interval "
                            "variable=SIGNALDB__COMMIT__INTERVAL"));
  EXPECT_THAT(From({"SIGNALDB__NOSECTION=1"}),
              IsErrorSaying(ErrorKind::kInvalid, "schema.catalog_type"));
}

TEST(FromEnvironment, SaysWhatWasExpected) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"SIGNALDB__RETRY__MAX_ATTEMPTS=many", "expected a whole number"},
      {"SIGNALDB__RETRY__MAX_ATTEMPTS=3x", "expected a whole number"},
      {"SIGNALDB__RETRY__MAX_ATTEMPTS=", "expected a whole number"},
      {"SIGNALDB__RETRY__MAX_ATTEMPTS=3000000000", "expected a smaller number"},
      {"SIGNALDB__RETRY__MAX_ATTEMPTS=0", "field=max_attempts"},
      {"SIGNALDB__RETRY__INITIAL_DELAY=100", "with its unit"},
      {"SIGNALDB__RETRY__INITIAL_DELAY=9223372036854775807h", "with its unit"},
      {"SIGNALDB__RETRY__BACKOFF_MULTIPLIER=nan", "expected a number"},
      {"SIGNALDB__MEMORY__LIMIT_BYTES=1TBit", "expected bytes"},
      {"SIGNALDB__MEMORY__LIMIT_BYTES=-1", "field=memory.limit_bytes"},
      {"SIGNALDB__MEMORY__WHEN_EXHAUSTED=drop", "expected wait or fail"},
      {"SIGNALDB__BATCH__ENABLE_AUTO_SPLIT=yes", "expected true or false"},
  };
  for (const auto& [variable, expected] : cases) {
    EXPECT_THAT(From({variable}), IsErrorSaying(ErrorKind::kInvalid, expected)) << variable;
  }
}

TEST(FromEnvironment, WithoutAListReadsThatOfTheProcess) {
  ::setenv("SIGNALDB__RETRY__MAX_ATTEMPTS", "11", 1);
  const auto config = Configuration::FromEnvironment();
  ::unsetenv("SIGNALDB__RETRY__MAX_ATTEMPTS");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->retry.max_attempts, 11);
}

TEST(FromEnvironment, TakesValuesFromFiles) {
  const TempDir dir;
  std::ofstream(dir / "real") << "postgres://user:hunter2@h/d\n";
  std::filesystem::create_symlink("real", dir / "uri");
  std::ofstream(dir / "attempts") << "7";
  const auto config = From({"SIGNALDB__SCHEMA__CATALOG_URI_FILE=" + (dir / "uri"),
                            "SIGNALDB__RETRY__MAX_ATTEMPTS_FILE=" + (dir / "attempts"),
                            "SIGNALDB_SCHEMA_CATALOG_URI=sqlite:///weaker.db"});
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->schema.catalog_uri, "postgres://user:hunter2@h/d");
  EXPECT_EQ(config->retry.max_attempts, 7);
}

TEST(FromEnvironment, TakesARelativeFileFromTheWorkingDirectory) {
  const TempDir dir;
  std::ofstream(dir / "uri") << "sqlite:///a.db";
  const std::string relative = std::filesystem::relative(dir / "uri").string();
  ASSERT_FALSE(relative.starts_with('/'));
  const auto config = From({"SIGNALDB__SCHEMA__CATALOG_URI_FILE=" + relative});
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->schema.catalog_uri, "sqlite:///a.db");
}

TEST(FromEnvironment, RefusesFilesThatDoNotDoAndRepeatsNoSecret) {
  const TempDir dir;
  std::ofstream(dir / "secret") << "hunter2";
  std::ofstream(dir / "long") << std::string(kSecretFileBytesMax + 1, 'x');
  const std::string attempts = "SIGNALDB__RETRY__MAX_ATTEMPTS_FILE=";
  EXPECT_THAT(From({attempts + (dir / "none")}),
              IsErrorSaying(ErrorKind::kInvalid, "variable=SIGNALDB__RETRY__MAX_ATTEMPTS_FILE"));
  EXPECT_THAT(From({attempts + (dir / "long")}), IsErrorSaying(ErrorKind::kInvalid, "too long"));
  const auto wrong = From({attempts + (dir / "secret")});
  ASSERT_THAT(wrong, IsErrorSaying(ErrorKind::kInvalid, "expected a whole number"));
  EXPECT_THAT(wrong.error().message, Not(HasSubstr("hunter2")));
  EXPECT_THAT(From({"SIGNALDB__SCHEMA__CATALOG_URI=sqlite:///a.db",
                    "SIGNALDB__SCHEMA__CATALOG_URI_FILE=" + (dir / "secret")}),
              IsErrorSaying(ErrorKind::kInvalid, "SIGNALDB__SCHEMA__CATALOG_URI is set too"));
  EXPECT_THAT(From({"SIGNALDB__OTLP__LISTEN_FILE=/none"}),
              IsErrorSaying(ErrorKind::kInvalid, "variable=SIGNALDB__OTLP__LISTEN_FILE"));
}

TEST(FromEnvironment, TakesTheTimeoutOfTransactions) {
  const auto config = From({"SIGNALDB__TRANSACTION_TIMEOUT=90s"});
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->transaction_timeout, milliseconds(90'000));
  for (const char* const value : {"0s", "-1ms"}) {
    EXPECT_THAT(From({std::string("SIGNALDB__TRANSACTION_TIMEOUT=") + value}),
                IsErrorSaying(ErrorKind::kInvalid, "field=transaction_timeout"));
  }
}

TEST(FromEnvironment, RefusesKindsOfCatalogsAndStoresThatAreNot) {
  EXPECT_THAT(From({"SIGNALDB_SCHEMA_CATALOG_TYPE=sqll"}),
              IsErrorSaying(ErrorKind::kInvalid, "key=schema.catalog_type"));
  EXPECT_THAT(From({"SIGNALDB_SCHEMA_CATALOG_URI=mysql://me:secret@h/d"}),
              ::testing::AllOf(IsErrorSaying(ErrorKind::kInvalid, "key=schema.catalog_uri"),
                               Not(IsErrorSaying(ErrorKind::kInvalid, "secret"))));
  EXPECT_THAT(From({"SIGNALDB_STORAGE_DSN=ftp://me:secret@h/d"}),
              ::testing::AllOf(IsErrorSaying(ErrorKind::kInvalid, "key=storage.dsn"),
                               Not(IsErrorSaying(ErrorKind::kInvalid, "secret"))));
}

}  // namespace
}  // namespace signaldb
