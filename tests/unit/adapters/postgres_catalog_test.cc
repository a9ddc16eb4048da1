#include "adapters/postgres/postgres_catalog.h"

#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"
#include "testing/metadata_pointer.h"
#include "testing/postgres_server.h"
#include "testing/recording_listener.h"

namespace signaldb::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class PostgresCatalogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto& server = PostgresServer::OfThisProcess();
    if (!server.has_value()) GTEST_SKIP() << server.error().message;
    server_ = server->get();
    database_ = server_->NewDatabase();
  }

  Result<std::unique_ptr<PostgresCatalog>> Open(const std::string& uri,
                                                PostgresCatalogOptions options = {}) {
    return PostgresCatalog::Open(uri, std::move(options), clock_, events_);
  }
  std::unique_ptr<PostgresCatalog> OpenOwn(PostgresCatalogOptions options = {}) {
    auto catalog = Open(server_->Uri(database_), std::move(options));
    EXPECT_THAT(catalog, IsOk());
    return catalog.has_value() ? std::move(*catalog) : nullptr;
  }
  std::string Ask(const std::string& sql) { return server_->Ask(sql, database_); }

  PostgresServer* server_ = nullptr;
  std::string database_;
  SystemClock clock_;
  RecordingListener events_;
};

Status CommitOne(Catalog& catalog, const PointerUpdate& update) {
  return catalog.Commit({&update, 1});
}

TEST_F(PostgresCatalogTest, CreatesTheLayoutOfJava) {
  const auto catalog = OpenOwn();
  EXPECT_TRUE(catalog->is_v1());
  EXPECT_EQ(Ask("SELECT string_agg(column_name || ' ' || character_maximum_length || ' ' || "
                "is_nullable, ', ' ORDER BY ordinal_position) FROM information_schema.columns "
                "WHERE table_name = 'iceberg_tables'"),
            "catalog_name 255 NO, table_namespace 255 NO, table_name 255 NO, metadata_location "
            "1000 YES, previous_metadata_location 1000 YES, iceberg_type 5 YES");
}

TEST_F(PostgresCatalogTest, WritesRowsAsJavaDoes) {
  const auto catalog = OpenOwn();
  ASSERT_THAT(catalog->CreateNamespace({"acme", "prod"}, {}), IsOk());
  ASSERT_THAT(CommitOne(*catalog, Create(Table("t"), "m0")), IsOk());
  ASSERT_THAT(CommitOne(*catalog, Swap(Table("t"), "m0", "m1")), IsOk());
  EXPECT_EQ(Ask("SELECT concat_ws('|', catalog_name, table_namespace, table_name, "
                "metadata_location, previous_metadata_location, iceberg_type) FROM iceberg_tables"),
            "signaldb|acme.prod|t|m1|m0|TABLE");
  EXPECT_EQ(Ask("SELECT concat_ws('|', namespace, property_key, property_value) FROM "
                "iceberg_namespace_properties"),
            "acme.prod|exists|true");
}

TEST_F(PostgresCatalogTest, UsesTablesOfV0AsTheyAre) {
  Ask("CREATE TABLE iceberg_tables(catalog_name VARCHAR(255) NOT NULL, table_namespace "
      "VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), "
      "previous_metadata_location VARCHAR(1000), PRIMARY KEY (catalog_name, table_namespace, "
      "table_name))");
  const auto catalog = OpenOwn();
  EXPECT_FALSE(catalog->is_v1());
  ASSERT_THAT(catalog->CreateNamespace({"acme", "prod"}, {}), IsOk());
  ASSERT_THAT(CommitOne(*catalog, Create(Table("t"), "m0")), IsOk());
  ASSERT_THAT(CommitOne(*catalog, Swap(Table("t"), "m0", "m1")), IsOk());
  ASSERT_THAT(catalog->RenameTable(Table("t"), Table("u")), IsOk());
  EXPECT_THAT(catalog->MetadataLocation(Table("u")), IsOkAnd("m1"));
  EXPECT_THAT(catalog->DropTable(Table("u")), IsOk());
}

TEST_F(PostgresCatalogTest, LeavesViewsAlone) {
  const auto catalog = OpenOwn();
  ASSERT_THAT(catalog->CreateNamespace({"acme", "prod"}, {}), IsOk());
  Ask("INSERT INTO iceberg_tables VALUES ('signaldb','acme.prod','v','vm',null,'VIEW')");
  EXPECT_THAT(catalog->MetadataLocation(Table("v")), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(CommitOne(*catalog, Create(Table("v"), "m0")), IsError(ErrorKind::kConflict));
  EXPECT_THAT(catalog->DropTable(Table("v")), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(catalog->DropNamespace({"acme", "prod"}), IsError(ErrorKind::kConflict));
}

TEST_F(PostgresCatalogTest, OpensFromManyThreadsAtOnceOnAnEmptyDatabase) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { EXPECT_THAT(Open(server_->Uri(database_)), IsOk()); });
  }
}

TEST_F(PostgresCatalogTest, CommitsDurablyWhateverTheOperatorsDefault) {
  Ask("ALTER DATABASE " + database_ + " SET synchronous_commit = off");
  const auto catalog = OpenOwn();
  // A trigger sees the setting that holds inside our transaction.
  Ask("CREATE TABLE seen(setting text); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
      "$$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit') || ' ' || "
      "current_setting('statement_timeout') || ' ' || current_setting('lock_timeout') || ' ' || "
      "current_setting('transaction_isolation')); RETURN NEW; END $$; CREATE TRIGGER t BEFORE "
      "INSERT ON iceberg_namespace_properties FOR EACH ROW EXECUTE FUNCTION note()");
  ASSERT_THAT(catalog->CreateNamespace({"n"}, {}), IsOk());
  EXPECT_EQ(Ask("SELECT setting FROM seen"), "on 10s 5s read committed");
}

TEST_F(PostgresCatalogTest, RefusesReadOnlyServers) {
  OpenOwn();
  Ask("ALTER DATABASE " + database_ + " SET default_transaction_read_only = on");
  EXPECT_THAT(Open(server_->Uri(database_)),
              IsErrorSaying(ErrorKind::kUnavailable, "session is read-only"));
}

TEST_F(PostgresCatalogTest, SaysWhyItCannotGetInAndNeverThePassword) {
  const std::string base = server_->Uri();
  const std::string port = base.substr(base.rfind(':'), base.rfind('/') - base.rfind(':'));
  const auto missing = Open("postgres://postgres:hunter2@127.0.0.1" + port + "/nowhere");
  EXPECT_THAT(missing, IsErrorSaying(ErrorKind::kUnavailable, "nowhere"));
  EXPECT_THAT(missing.error().message, Not(HasSubstr("hunter2")));
  EXPECT_THAT(Open("postgres://postgres:hunter2@127.0.0.1:1/x"),
              IsErrorSaying(ErrorKind::kUnavailable, "cannot be reached"));
  EXPECT_THAT(Open(base + "?sslmode=require"), IsErrorSaying(ErrorKind::kUnavailable, "SSL"));
}

TEST_F(PostgresCatalogTest, SpeaksTlsAndChecksTheCertificateAsTheUriAsks) {
  // The server makes its own certificate, in its own folder.
  EXPECT_EQ(Ask("COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; openssl req -x509 -newkey rsa:2048 "
                "-nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout "
                "server.key -out server.crt 2> /dev/null && chmod 600 server.key'"),
            "");
  Ask("ALTER SYSTEM SET ssl = on");
  Ask("SELECT pg_reload_conf()");
  while (Ask("SHOW ssl") != "on") std::this_thread::yield();
  const std::string root = Ask("SHOW data_directory") + "/server.crt";
  const std::string checked = "?sslmode=verify-full&sslrootcert=";
  {
    const auto catalog = Open(server_->Uri(database_) + checked + root);
    EXPECT_THAT(catalog, IsOk());
    EXPECT_EQ(Ask("SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE "
                  "application_name = 'signaldb-writer'"),
              "t");
  }
  // Another certificate authority, which has not signed it.
  EXPECT_THAT(Open(server_->Uri(database_) + checked + "/etc/ssl/certs/ca-certificates.crt"),
              IsErrorSaying(ErrorKind::kUnavailable, "certificate"));
  Ask("ALTER SYSTEM RESET ssl");
  Ask("SELECT pg_reload_conf()");
  while (Ask("SHOW ssl") != "off") std::this_thread::yield();
}

TEST_F(PostgresCatalogTest, WaitsForALockedRowOnlySoLong) {
  const auto catalog = OpenOwn({.lock_timeout = std::chrono::milliseconds(200)});
  ASSERT_THAT(catalog->CreateNamespace({"acme", "prod"}, {}), IsOk());
  ASSERT_THAT(CommitOne(*catalog, Create(Table("t"), "0")), IsOk());
  std::jthread holder(
      [&] { Ask("BEGIN; SELECT 1 FROM iceberg_tables FOR UPDATE; SELECT pg_sleep(2); ROLLBACK"); });
  while (Ask("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(2)%' AND pid <> "
             "pg_backend_pid()") == "0") {
    std::this_thread::yield();
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_THAT(CommitOne(*catalog, Swap(Table("t"), "0", "1")),
              IsErrorSaying(ErrorKind::kUnavailable, "55P03"));
  holder.join();
  EXPECT_THAT(CommitOne(*catalog, Swap(Table("t"), "0", "1")), IsOk());
}

TEST_F(PostgresCatalogTest, IsUnavailableIfItsSessionEndsBeforeCommit) {
  const auto catalog = OpenOwn();
  ASSERT_THAT(catalog->CreateNamespace({"acme", "prod"}, {}), IsOk());
  ASSERT_THAT(CommitOne(*catalog, Create(Table("t"), "0")), IsOk());
  Ask("CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM "
      "pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$; CREATE TRIGGER t BEFORE UPDATE "
      "ON iceberg_tables FOR EACH ROW EXECUTE FUNCTION die()");
  EXPECT_THAT(CommitOne(*catalog, Swap(Table("t"), "0", "1")),
              IsErrorSaying(ErrorKind::kUnavailable, "terminating connection"));
  Ask("DROP TRIGGER t ON iceberg_tables");
  EXPECT_THAT(catalog->MetadataLocation(Table("t")), IsOkAnd("0"));
  EXPECT_THAT(CommitOne(*catalog, Swap(Table("t"), "0", "1")), IsOk());
}

TEST_F(PostgresCatalogTest, DoesNotKnowTheOutcomeIfItsSessionEndsInCommit) {
  const auto catalog = OpenOwn();
  ASSERT_THAT(catalog->CreateNamespace({"acme", "prod"}, {}), IsOk());
  ASSERT_THAT(CommitOne(*catalog, Create(Table("t"), "0")), IsOk());
  // A deferred trigger runs inside COMMIT.
  Ask("CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM "
      "pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$; CREATE CONSTRAINT TRIGGER t "
      "AFTER UPDATE ON iceberg_tables DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "
      "die()");
  EXPECT_THAT(CommitOne(*catalog, Swap(Table("t"), "0", "1")), IsError(ErrorKind::kUnknownOutcome));
  EXPECT_THAT(catalog->MetadataLocation(Table("t")), IsOkAnd("0"));
  EXPECT_EQ(events_.counter("signaldb_writer_catalog_pool_closed_total{reason=broken}"), 1);
}

TEST_F(PostgresCatalogTest, TakesARollbackInAnswerToCommitForWhatItIs) {
  const auto catalog = OpenOwn();
  ASSERT_THAT(catalog->CreateNamespace({"acme", "prod"}, {}), IsOk());
  ASSERT_THAT(CommitOne(*catalog, Create(Table("t"), "0")), IsOk());
  Ask("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' "
      "USING "
      "ERRCODE = '23514'; END $$; CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON iceberg_tables "
      "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION no()");
  EXPECT_THAT(CommitOne(*catalog, Swap(Table("t"), "0", "1")), IsError(ErrorKind::kConflict));
  EXPECT_THAT(catalog->MetadataLocation(Table("t")), IsOkAnd("0"));
}

TEST_F(PostgresCatalogTest, GoesOnAfterTheServerCrashed) {
  const auto catalog = OpenOwn();
  ASSERT_THAT(catalog->CreateNamespace({"acme", "prod"}, {}), IsOk());
  ASSERT_THAT(CommitOne(*catalog, Create(Table("t"), "0")), IsOk());
  server_->Crash();
  EXPECT_THAT(CommitOne(*catalog, Swap(Table("t"), "0", "1")), IsError(ErrorKind::kUnavailable));
  EXPECT_THAT(catalog->MetadataLocation(Table("t")), IsError(ErrorKind::kUnavailable));
  ASSERT_THAT(server_->Launch(), IsOk());
  EXPECT_THAT(catalog->MetadataLocation(Table("t")), IsOkAnd("0"));
  EXPECT_THAT(CommitOne(*catalog, Swap(Table("t"), "0", "1")), IsOk());
}

TEST_F(PostgresCatalogTest, RefusesNamesThatAreNotUtf8) {
  const auto catalog = OpenOwn();
  EXPECT_THAT(catalog->CreateNamespace({"\xff\xfe"}, {}), IsError(ErrorKind::kInvalid));
}

TEST_F(PostgresCatalogTest, KeepsCatalogsOfOtherNamesApart) {
  const auto ours = OpenOwn();
  const auto theirs = OpenOwn({.catalog_name = "theirs"});
  ASSERT_THAT(ours->CreateNamespace({"acme", "prod"}, {}), IsOk());
  EXPECT_THAT(theirs->NamespaceExists({"acme"}), IsOkAnd(false));
  EXPECT_THAT(Open(server_->Uri(database_), {.catalog_name = ""}), IsError(ErrorKind::kInvalid));
}

}  // namespace
}  // namespace signaldb::testing
