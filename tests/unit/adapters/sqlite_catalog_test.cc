#include "adapters/sqlite/sqlite_catalog.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testing/matchers.h"
#include "testing/metadata_pointer.h"
#include "testing/temp_dir.h"

namespace signaldb {
namespace {

using signaldb::testing::Create;
using signaldb::testing::IsError;
using signaldb::testing::IsErrorSaying;
using signaldb::testing::IsOk;
using signaldb::testing::IsOkAnd;
using signaldb::testing::Swap;
using signaldb::testing::Table;
using ::testing::ElementsAre;

// Java's V0 layout, word for word.
constexpr const char* kForeignV0 =
    "CREATE TABLE iceberg_tables(catalog_name VARCHAR(255) NOT NULL,table_namespace VARCHAR(255) "
    "NOT NULL,table_name VARCHAR(255) NOT NULL,metadata_location VARCHAR(1000),"
    "previous_metadata_location VARCHAR(1000),PRIMARY KEY (catalog_name, table_namespace, "
    "table_name));"
    "CREATE TABLE iceberg_namespace_properties(catalog_name VARCHAR(255) NOT NULL,namespace "
    "VARCHAR(255) NOT NULL,property_key VARCHAR(255),property_value VARCHAR(1000),PRIMARY KEY "
    "(catalog_name, namespace, property_key));";

class SqliteCatalogFile : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path() const { return folder_.path() + "/catalog.db"; }

  std::unique_ptr<SqliteCatalog> Open(SqliteCatalogOptions options = {}) {
    Result<std::unique_ptr<SqliteCatalog>> catalog =
        SqliteCatalog::Open("sqlite://" + path(), std::move(options));
    EXPECT_THAT(catalog, IsOk());
    return catalog.has_value() ? std::move(*catalog) : nullptr;
  }

  /// Runs SQL as a foreign program would; returns the first column of the last row.
  std::string Foreign(const std::string& sql) {
    sqlite3* database = nullptr;
    EXPECT_EQ(sqlite3_open(path().c_str(), &database), SQLITE_OK);
    std::string last;
    char* message = nullptr;
    sqlite3_exec(
        database, sql.c_str(),
        [](void* out, int, char** values, char**) {
          *static_cast<std::string*>(out) = values[0] == nullptr ? "NULL" : values[0];
          return 0;
        },
        &last, &message);
    EXPECT_EQ(message, nullptr) << message;
    sqlite3_close(database);
    return last;
  }

  testing::TempDir folder_;
};

Status CommitOne(Catalog& catalog, const PointerUpdate& update) {
  return catalog.Commit({&update, 1});
}

TEST_F(SqliteCatalogFile, WritesRowsAsOtherToolsExpectThem) {
  const auto catalog = Open();
  ASSERT_THAT(catalog->CreateNamespace({"acme", "prod"}, {{"owner", "us"}}), IsOk());
  ASSERT_THAT(CommitOne(*catalog, Create(Table("logs"), "0")), IsOk());
  ASSERT_THAT(CommitOne(*catalog, Swap(Table("logs"), "0", "1")), IsOk());
  EXPECT_EQ(Foreign("SELECT catalog_name||'|'||table_namespace||'|'||table_name||'|'||"
                    "metadata_location||'|'||previous_metadata_location||'|'||iceberg_type "
                    "FROM iceberg_tables"),
            "signaldb|acme.prod|logs|1|0|TABLE");
  EXPECT_EQ(Foreign("SELECT group_concat(property_key||'='||property_value) FROM (SELECT * FROM "
                    "iceberg_namespace_properties ORDER BY property_key)"),
            "exists=true,owner=us");
  EXPECT_EQ(Foreign("PRAGMA journal_mode"), "delete");
}

TEST_F(SqliteCatalogFile, FindsItsTablesAfterReopening) {
  {
    const auto catalog = Open();
    ASSERT_THAT(catalog->CreateNamespace({"acme", "prod"}, {}), IsOk());
    ASSERT_THAT(CommitOne(*catalog, Create(Table("logs"), "0")), IsOk());
  }
  EXPECT_THAT(Open()->MetadataLocation(Table("logs")), IsOkAnd("0"));
}

TEST_F(SqliteCatalogFile, SeesOnlyTablesOfItsCatalogName) {
  const auto ours = Open();
  ASSERT_THAT(ours->CreateNamespace({"acme", "prod"}, {}), IsOk());
  ASSERT_THAT(CommitOne(*ours, Create(Table("logs"), "0")), IsOk());
  const auto other = Open({.catalog_name = "other"});
  EXPECT_THAT(other->MetadataLocation(Table("logs")), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(other->NamespaceExists({"acme"}), IsOkAnd(false));
}

TEST_F(SqliteCatalogFile, UsesV0FilesAsTheyAreUntilAskedToUpgrade) {
  Foreign(kForeignV0);
  Foreign("INSERT INTO iceberg_tables VALUES ('signaldb', 'acme.prod', 'logs', '0', NULL)");
  const auto catalog = Open();
  EXPECT_FALSE(catalog->is_v1());
  EXPECT_THAT(catalog->ListNamespaces(), IsOkAnd(ElementsAre(Namespace{"acme", "prod"})));
  ASSERT_THAT(CommitOne(*catalog, Swap(Table("logs"), "0", "1")), IsOk());
  ASSERT_THAT(CommitOne(*catalog, Create(Table("spans"), "0")), IsOk());
  EXPECT_THAT(catalog->ListTables({"acme", "prod"}),
              IsOkAnd(ElementsAre(Table("logs"), Table("spans"))));
  ASSERT_THAT(catalog->DropTable(Table("spans")), IsOk());
  EXPECT_EQ(Foreign("SELECT count(*) FROM pragma_table_info('iceberg_tables')"), "5");

  ASSERT_THAT(catalog->UpgradeToV1(), IsOk());
  EXPECT_TRUE(catalog->is_v1());
  EXPECT_THAT(catalog->MetadataLocation(Table("logs")), IsOkAnd("1"));
  ASSERT_THAT(CommitOne(*catalog, Swap(Table("logs"), "1", "2")), IsOk());
  EXPECT_EQ(Foreign("SELECT iceberg_type FROM iceberg_tables"), "TABLE");
  EXPECT_THAT(catalog->UpgradeToV1(), IsOk());
}

TEST_F(SqliteCatalogFile, GivesRowsWithoutATypeTheirTypeWhenItCommits) {
  const auto catalog = Open();
  Foreign("INSERT INTO iceberg_tables VALUES ('signaldb', 'acme.prod', 'logs', '0', NULL, NULL)");
  EXPECT_THAT(catalog->MetadataLocation(Table("logs")), IsOkAnd("0"));
  ASSERT_THAT(CommitOne(*catalog, Swap(Table("logs"), "0", "1")), IsOk());
  EXPECT_EQ(Foreign("SELECT iceberg_type FROM iceberg_tables"), "TABLE");
}

TEST_F(SqliteCatalogFile, LeavesViewsAlone) {
  const auto catalog = Open();
  Foreign("INSERT INTO iceberg_tables VALUES ('signaldb','acme.prod','logs','0',NULL,'VIEW')");
  EXPECT_THAT(catalog->MetadataLocation(Table("logs")), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(CommitOne(*catalog, Swap(Table("logs"), "0", "1")), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(CommitOne(*catalog, Create(Table("logs"), "0")),
              IsErrorSaying(ErrorKind::kConflict, "view"));
  EXPECT_THAT(catalog->DropTable(Table("logs")), IsError(ErrorKind::kNotFound));
}

TEST_F(SqliteCatalogFile, CallsARowWithoutLocationCorrupt) {
  const auto catalog = Open();
  Foreign("INSERT INTO iceberg_tables VALUES ('signaldb','acme.prod','logs',NULL,NULL,'TABLE')");
  EXPECT_THAT(catalog->MetadataLocation(Table("logs")), IsError(ErrorKind::kCorrupt));
}

TEST_F(SqliteCatalogFile, GivesUpOnALockedFileWithoutChangingIt) {
  const auto catalog = Open({.busy_timeout = std::chrono::milliseconds(1)});
  ASSERT_THAT(catalog->CreateNamespace({"acme", "prod"}, {}), IsOk());
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_THAT(CommitOne(*catalog, Create(Table("logs"), "0")), IsError(ErrorKind::kUnavailable));
  ASSERT_EQ(sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  EXPECT_THAT(CommitOne(*catalog, Create(Table("logs"), "0")), IsOk());
}

// A reader holds a shared lock: COMMIT itself is what waits and gives up, before it wrote anything.
TEST_F(SqliteCatalogFile, RollsBackWhenReadersDoNotLetItCommit) {
  const auto catalog = Open({.busy_timeout = std::chrono::milliseconds(1)});
  ASSERT_THAT(catalog->CreateNamespace({"acme", "prod"}, {}), IsOk());
  sqlite3* reader = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &reader), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(reader, "BEGIN; SELECT * FROM iceberg_tables", nullptr, nullptr, nullptr),
            SQLITE_OK);
  EXPECT_THAT(CommitOne(*catalog, Create(Table("logs"), "0")), IsError(ErrorKind::kUnavailable));
  EXPECT_THAT(catalog->MetadataLocation(Table("logs")), IsError(ErrorKind::kNotFound));
  sqlite3_close(reader);
  EXPECT_THAT(CommitOne(*catalog, Create(Table("logs"), "0")), IsOk());
}

TEST_F(SqliteCatalogFile, RefusesAFileThatIsNoDatabase) {
  Foreign("CREATE TABLE t(a)");
  std::FILE* file = std::fopen(path().c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fputs(std::string(8192, 'x').c_str(), file);
  std::fclose(file);
  EXPECT_THAT(SqliteCatalog::Open("sqlite://" + path(), {}),
              IsErrorSaying(ErrorKind::kCorrupt, path()));
}

TEST_F(SqliteCatalogFile, IsNotUsedOnceItIsRemovedOrReplacedUntilItIsBack) {
  const auto catalog = Open();
  ASSERT_THAT(catalog->CreateNamespace({"acme", "prod"}, {}), IsOk());
  ASSERT_THAT(CommitOne(*catalog, Create(Table("logs"), "0")), IsOk());
  std::filesystem::copy_file(path(), path() + ".older");
  ASSERT_THAT(CommitOne(*catalog, Swap(Table("logs"), "0", "1")), IsOk());
  std::filesystem::rename(path(), path() + ".away");
  for (const bool replaced : {false, true}) {
    if (replaced) std::filesystem::rename(path() + ".older", path());
    EXPECT_THAT(CommitOne(*catalog, Swap(Table("logs"), "1", "2")),
                IsErrorSaying(ErrorKind::kUnavailable, path()));
    EXPECT_THAT(catalog->MetadataLocation(Table("logs")),
                IsErrorSaying(ErrorKind::kUnavailable, "removed or replaced"));
  }
  EXPECT_EQ(Foreign("SELECT metadata_location FROM iceberg_tables"), "0");
  std::filesystem::rename(path() + ".away", path());
  EXPECT_THAT(CommitOne(*catalog, Swap(Table("logs"), "1", "2")), IsOk());
}

TEST_F(SqliteCatalogFile, NamesTheFolderThatIsMissing) {
  EXPECT_THAT(SqliteCatalog::Open("sqlite://" + folder_.path() + "/none/catalog.db", {}),
              IsErrorSaying(ErrorKind::kUnavailable, "folder="));
}

// Processes share nothing but the file; each must win its own swaps, and no swap may get lost.
TEST_F(SqliteCatalogFile, LetsOneOfManyProcessesWinEachSwap) {
  constexpr int kProcesses = 4;
  constexpr int kSwaps = 15;
  {
    const auto catalog = Open();
    ASSERT_THAT(catalog->CreateNamespace({"acme", "prod"}, {}), IsOk());
    ASSERT_THAT(CommitOne(*catalog, Create(Table("n"), "0")), IsOk());
  }
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      const auto catalog = Open({.busy_timeout = std::chrono::seconds(30)});
      if (catalog == nullptr) _exit(1);
      for (int won = 0; won < kSwaps;) {
        const Result<std::string> now = catalog->MetadataLocation(Table("n"));
        if (!now.has_value()) _exit(2);
        const Status status =
            CommitOne(*catalog, Swap(Table("n"), *now, std::to_string(std::stoi(*now) + 1)));
        if (status.has_value()) {
          ++won;
        } else if (status.error().kind != ErrorKind::kConflict) {
          _exit(3);
        }
      }
      _exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
  EXPECT_THAT(Open()->MetadataLocation(Table("n")), IsOkAnd(std::to_string(kProcesses * kSwaps)));
}

TEST(PathOfSqliteUri, TakesPathsAndMemory) {
  struct Case {
    std::string uri;
    std::string path;  ///< Empty: refused.
  };
  const Case cases[] = {
      {"sqlite:///var/lib/c.db", "/var/lib/c.db"},
      {"sqlite://data/c.db", "data/c.db"},
      {"sqlite::memory:", ":memory:"},
      {"sqlite://:memory:", ":memory:"},
      {"sqlite:///a?b#c%20.db", "/a?b#c%20.db"},
      {"sqlite://", ""},
      {"sqlite:///folder/", ""},
      {"sqlite:", ""},
      {"postgres://a", ""},
      {"", ""},
      {std::string("sqlite:///a\0b", 13), ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.uri);
    if (c.path.empty()) {
      EXPECT_THAT(PathOfSqliteUri(c.uri), IsError(ErrorKind::kInvalid));
    } else {
      EXPECT_THAT(PathOfSqliteUri(c.uri), IsOkAnd(c.path));
    }
  }
}

}  // namespace
}  // namespace signaldb
