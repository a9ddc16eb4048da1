#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/postgres/postgres_catalog.h"
#include "base/event_listener.h"
#include "signaldb/catalog_transaction.h"
#include "signaldb/iceberg_catalog.h"
#include "suites/writer_world.h"
#include "testing/postgres_server.h"

// Each case on a catalog in memory and on a PostgreSQL server, with the same faults before it.

namespace signaldb {
namespace {

using testing::CommitFault;
using testing::EventBatch;
using testing::EventRows;
using testing::FaultMoment;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::PostgresServer;
using testing::Rows;
using ::testing::SizeIs;
using testing::WriterWorld;

class Transactions : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "memory") return;
    const auto& server = PostgresServer::OfThisProcess();
    if (!server.has_value()) GTEST_SKIP() << server.error().message;
    server_ = server->get();
  }

  /// An empty one.
  std::unique_ptr<Catalog> NewCatalog() {
    if (server_ == nullptr) return std::make_unique<MemoryCatalog>();
    auto opened = PostgresCatalog::Open(server_->Uri(server_->NewDatabase()),
                                        {.pool = {.min_connections = 0}}, clock_, events_);
    EXPECT_THAT(opened, IsOk());
    return opened.has_value() ? *std::move(opened) : nullptr;
  }

 private:
  PostgresServer* server_ = nullptr;
  SystemClock clock_;
  NullEventListener events_;
};
using CatalogTransactions = Transactions;

std::string Begin(IcebergTableWriter& writer) {
  const Result<std::string> id = writer.BeginTransaction();
  EXPECT_THAT(id, IsOk());
  return id.value_or("");
}

TEST_P(Transactions, CommitMakesAllBatchesVisibleInOneSnapshot) {
  WriterWorld world(NewCatalog());
  const auto writer = world.OpenWriter();
  const std::string id = Begin(*writer);
  for (int i = 0; i < 3; ++i) EXPECT_THAT(writer->WriteBatch(EventBatch(i * 10, 10)), IsOk());
  EXPECT_THAT(world.Read(), IsEmpty()) << "nothing is visible before the commit";
  EXPECT_THAT(writer->CommitTransaction(id), IsOk());
  EXPECT_EQ(world.Read(), EventRows(0, 30));
  EXPECT_EQ(world.Snapshots(), 1);
}

TEST_P(Transactions, TheIdIsKnownWhileActiveAndStandsInSnapshotAndLog) {
  WriterWorld world(NewCatalog());
  const auto writer = world.OpenWriter();
  EXPECT_FALSE(writer->HasActiveTransaction());
  EXPECT_EQ(writer->CurrentTransactionId(), std::nullopt);
  const std::string id = Begin(*writer);
  EXPECT_THAT(id, SizeIs(36));
  EXPECT_TRUE(writer->HasActiveTransaction());
  EXPECT_EQ(writer->CurrentTransactionId(), id);
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 1)), IsOk());
  EXPECT_THAT(writer->CommitTransaction(id), IsOk());
  EXPECT_FALSE(writer->HasActiveTransaction());
  EXPECT_EQ(world.Read(), EventRows(0, 1));
  EXPECT_EQ(world.Current().current_snapshot()->summary.at("signaldb.commit-id"), id);
  EXPECT_TRUE(world.Logged("transaction committed", "transaction_id=" + id));
  EXPECT_TRUE(world.Logged("commit applied", "commit_id=" + id));
}

TEST_P(Transactions, BatchesAreFilesBeforeTheCommit) {
  WriterWorld world(NewCatalog());
  const auto writer = world.OpenWriter();
  const std::string id = Begin(*writer);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_THAT(writer->WriteBatch(EventBatch(static_cast<std::int64_t>(i), 1)), IsOk());
    EXPECT_THAT(world.DataFiles(), SizeIs(i + 1));
  }
  EXPECT_THAT(writer->CommitTransaction(id), IsOk());
  EXPECT_THAT(world.DataFiles(), SizeIs(5));
  EXPECT_EQ(world.Read(), EventRows(0, 5));
}

TEST_P(Transactions, RollbackLeavesTableAndStoreAsTheyWere) {
  WriterWorld world(NewCatalog());
  const auto writer = world.OpenWriter();
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 5)), IsOk());
  const auto before = world.store->List();
  const std::string id = Begin(*writer);
  EXPECT_THAT(writer->WriteBatch(EventBatch(5, 5)), IsOk());
  EXPECT_THAT(writer->WriteBatch(EventBatch(10, 5)), IsOk());
  EXPECT_THAT(writer->RollbackTransaction(id), IsOk());
  EXPECT_EQ(world.store->List(), before);
  EXPECT_EQ(world.Read(), EventRows(0, 5));
  EXPECT_EQ(world.Snapshots(), 1);
  EXPECT_FALSE(writer->HasActiveTransaction());
}

TEST_P(Transactions, AnEmptyTransactionCommitsWithoutASnapshot) {
  WriterWorld world(NewCatalog());
  const auto writer = world.OpenWriter();
  const std::string id = Begin(*writer);
  EXPECT_THAT(writer->CommitTransaction(id), IsOk());
  EXPECT_EQ(world.Snapshots(), 0);
  EXPECT_THAT(world.Read(), IsEmpty());
  EXPECT_FALSE(writer->HasActiveTransaction());
}

TEST_P(Transactions, AnEmptyBatchIsSkipped) {
  WriterWorld world(NewCatalog());
  const auto writer = world.OpenWriter();
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 0)), IsOk());
  EXPECT_EQ(world.Snapshots(), 0);
  const std::string id = Begin(*writer);
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 0)), IsOk());
  EXPECT_THAT(writer->CommitTransaction(id), IsOk());
  EXPECT_EQ(world.Snapshots(), 0);
  EXPECT_THAT(world.DataFiles(), IsEmpty());
  EXPECT_THAT(world.Read(), IsEmpty());
}

TEST_P(Transactions, EachMisuseHasItsOwnErrorAndChangesNothing) {
  WriterWorld world(NewCatalog());
  const auto writer = world.OpenWriter();
  EXPECT_THAT(writer->RollbackTransaction("x"),
              IsErrorSaying(ErrorKind::kInvalid,
                            "no transaction is active, there is nothing to "
                            "roll back"));
  EXPECT_THAT(writer->CommitTransaction("x"),
              IsErrorSaying(ErrorKind::kInvalid,
                            "no transaction is active, there is nothing to "
                            "commit"));
  const std::string id = Begin(*writer);
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 3)), IsOk());
  EXPECT_THAT(writer->BeginTransaction(),
              IsErrorSaying(ErrorKind::kInvalid, "a transaction is active already"));
  EXPECT_THAT(writer->CommitTransaction("x"),
              IsErrorSaying(ErrorKind::kInvalid, "another transaction is active"));
  EXPECT_THAT(writer->RollbackTransaction("x"),
              IsErrorSaying(ErrorKind::kInvalid, "that one cannot roll back"));
  EXPECT_THAT(writer->CommitTransaction(id), IsOk());
  EXPECT_EQ(world.Read(), EventRows(0, 3));
  EXPECT_THAT(writer->CommitTransaction(id),
              IsErrorSaying(ErrorKind::kInvalid, "no transaction is active"));
}

TEST_P(Transactions, ABatchThatDoesNotFitIsRefusedAndTheRestCommits) {
  WriterWorld world(NewCatalog());
  const auto writer = world.OpenWriter();
  const std::string id = Begin(*writer);
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 3)), IsOk());
  const auto wrong =
      EventBatch(3, 1)->AddColumn(2, "extra", EventBatch(3, 1)->column(0)).ValueOrDie();
  EXPECT_THAT(writer->WriteBatch(wrong), IsErrorSaying(ErrorKind::kInvalid, "column=extra"));
  EXPECT_THAT(world.DataFiles(), SizeIs(1));
  EXPECT_THAT(writer->WriteBatch(EventBatch(3, 3)), IsOk());
  EXPECT_THAT(writer->CommitTransaction(id), IsOk());
  EXPECT_EQ(world.Read(), EventRows(0, 6));
}

TEST_P(Transactions, ADroppedWriterRollsBack) {
  WriterWorld world(NewCatalog());
  {
    const auto writer = world.OpenWriter();
    Begin(*writer);
    EXPECT_THAT(writer->WriteBatch(EventBatch(0, 3)), IsOk());
    EXPECT_THAT(world.DataFiles(), SizeIs(1));
  }
  EXPECT_THAT(world.DataFiles(), IsEmpty());
  EXPECT_EQ(world.Snapshots(), 0);
  EXPECT_THAT(world.Read(), IsEmpty());
}

TEST_P(Transactions, ATransactionTimesOutAndIsRolledBack) {
  WriterWorld world(NewCatalog());
  world.config.transaction_timeout = std::chrono::seconds(10);
  const auto writer = world.OpenWriter();
  const std::string id = Begin(*writer);
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 3)), IsOk());
  world.store->clock->SleepFor(std::chrono::seconds(10), {});
  EXPECT_THAT(writer->WriteBatch(EventBatch(3, 3)), IsOk()) << "at the limit";
  world.store->clock->SleepFor(std::chrono::milliseconds(1), {});
  EXPECT_THAT(writer->CommitTransaction(id), IsErrorSaying(ErrorKind::kCancelled, "timed out"));
  EXPECT_THAT(world.DataFiles(), IsEmpty());
  EXPECT_EQ(world.Snapshots(), 0);
  EXPECT_FALSE(writer->HasActiveTransaction());
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 3)), IsOk()) << "the writer stays usable";
  EXPECT_EQ(world.Read(), EventRows(0, 3));
}

TEST_P(Transactions, OutsideOneEveryBatchIsATransaction) {
  WriterWorld world(NewCatalog());
  const auto writer = world.OpenWriter();
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 3)), IsOk());
  EXPECT_THAT(writer->WriteBatch(EventBatch(3, 3)), IsOk());
  EXPECT_EQ(world.Read(), EventRows(0, 6));
  EXPECT_EQ(world.Snapshots(), 2);
}

// What another program does to the table's columns, which the writer has seen before.
void ChangeColumns(WriterWorld& world, const std::function<void(std::vector<Field>&)>& change) {
  const TableIdentifier table{.levels = {"acme", "prod"}, .name = "events"};
  const std::string before = world.store->real_catalog->MetadataLocation(table).value_or("");
  TableMetadata metadata = world.Current();
  auto schema = std::make_shared<Schema>(metadata.schema());
  ++schema->schema_id;
  change(schema->fields);
  metadata.last_column_id = std::max(metadata.last_column_id, schema->HighestId());
  metadata.current_schema_id = schema->schema_id;
  metadata.schemas.push_back(schema);
  const std::string after = before + ".foreign.metadata.json";
  ASSERT_THAT(WriteFile(world.store->real_io, after, SerializeTableMetadata(metadata)), IsOk());
  const PointerUpdate update{.table = table, .expected = before, .next = after};
  ASSERT_THAT(world.store->real_catalog->Commit({&update, 1}), IsOk());
}

void ReplaceBody(std::vector<Field>& fields) {
  fields[1].name = "old";
  fields.push_back({.id = 3, .name = "body", .type = Type(TypeId::kString)});
}
void DropBody(std::vector<Field>& fields) { fields.pop_back(); }
void DropAndAddBody(std::vector<Field>& fields) { fields[1].id = 3; }
void NarrowId(std::vector<Field>& fields) { fields[0].type = Type(TypeId::kInt); }

TEST_P(Transactions, ABatchIsLaidOutAgainForATableThatAnotherProgramChanged) {
  for (const auto change : {ReplaceBody, DropAndAddBody}) {
    WriterWorld world(NewCatalog());
    const auto writer = world.OpenWriter();
    ASSERT_THAT(writer->WriteBatch(EventBatch(0, 1)), IsOk());
    ChangeColumns(world, change);
    EXPECT_THAT(writer->WriteBatch(EventBatch(1, 1)), IsOk());
    EXPECT_EQ(world.Read(), (Rows{{0, "null"}, {1, "b1"}}));
    EXPECT_THAT(world.DataFiles(), SizeIs(2)) << "the first try leaves no file";
  }
}

TEST_P(Transactions, ABatchThatNoLongerFitsIsRefusedByTheTableAsItIs) {
  WriterWorld world(NewCatalog());
  const auto writer = world.OpenWriter();
  ASSERT_THAT(writer->WriteBatch(EventBatch(0, 1)), IsOk());
  ChangeColumns(world, DropBody);
  EXPECT_THAT(writer->WriteBatch(EventBatch(1, 1)),
              IsErrorSaying(ErrorKind::kInvalid, "the table has not"));
  EXPECT_EQ(world.Snapshots(), 1);
  EXPECT_THAT(world.DataFiles(), SizeIs(1));
}

TEST_P(Transactions, ABatchIsNotRefusedByWhatWasSeenAWhileAgo) {
  WriterWorld world(NewCatalog());
  const auto writer = world.OpenWriter();
  ASSERT_THAT(writer->WriteBatch(EventBatch(0, 1)), IsOk());
  const auto more =
      EventBatch(1, 1)->AddColumn(2, "more", EventBatch(1, 1)->column(1)).ValueOrDie();
  EXPECT_THAT(writer->WriteBatch(more), IsErrorSaying(ErrorKind::kInvalid, "column=more"));
  ChangeColumns(world, [](std::vector<Field>& fields) {
    fields.push_back({.id = 3, .name = "more", .type = Type(TypeId::kString)});
  });
  const std::string id = Begin(*writer);
  EXPECT_THAT(writer->WriteBatch(more), IsOk());
  EXPECT_THAT(writer->CommitTransaction(id), IsOk());
  EXPECT_EQ(world.Read(), EventRows(0, 2));
}

TEST_P(Transactions, OneWhoseColumnsMovedIsRolledBackWhole) {
  for (const auto change : {ReplaceBody, DropAndAddBody, DropBody, NarrowId}) {
    WriterWorld world(NewCatalog());
    const auto writer = world.OpenWriter();
    const std::string id = Begin(*writer);
    ASSERT_THAT(writer->WriteBatch(EventBatch(0, 1)), IsOk());
    ChangeColumns(world, change);
    ASSERT_THAT(writer->WriteBatch(EventBatch(1, 1)), IsOk());
    EXPECT_THAT(writer->CommitTransaction(id),
                IsErrorSaying(ErrorKind::kInvalid,
                              "write them again table=acme.prod.events "
                              "column="));
    EXPECT_EQ(world.Snapshots(), 0);
    EXPECT_THAT(world.DataFiles(), IsEmpty());
    EXPECT_FALSE(writer->HasActiveTransaction());
  }
}

TEST_P(CatalogTransactions, RefuseColumnsThatMovedInAnyTable) {
  WriterWorld world(NewCatalog());
  const auto events = world.OpenWriter();
  const auto others = world.OpenWriter("others");
  ASSERT_THAT(events->WriteBatch(EventBatch(0, 1)), IsOk());
  auto transaction = CatalogTransaction::Begin({*others, *events});
  ASSERT_THAT(transaction, IsOk());
  ASSERT_THAT((*transaction)->WriteBatch(*others, EventBatch(0, 1)), IsOk());
  ASSERT_THAT((*transaction)->WriteBatch(*events, EventBatch(1, 1)), IsOk());
  ChangeColumns(world, DropAndAddBody);
  EXPECT_THAT((*transaction)->Commit(), IsErrorSaying(ErrorKind::kInvalid, "column=body"));
  EXPECT_EQ(world.Snapshots("others"), 0);
  EXPECT_THAT(world.DataFiles(), SizeIs(1));
}

TEST_P(Transactions, SeveralBatchesWrapThemselves) {
  WriterWorld world(NewCatalog());
  const auto writer = world.OpenWriter();
  EXPECT_THAT(writer->WriteBatches({EventBatch(0, 3), EventBatch(3, 3), EventBatch(6, 0)}), IsOk());
  EXPECT_EQ(world.Read(), EventRows(0, 6));
  EXPECT_EQ(world.Snapshots(), 1);
}

TEST_P(Transactions, SeveralBatchesFailAsOneAndTheWriterStaysUsable) {
  WriterWorld world(NewCatalog());
  const auto writer = world.OpenWriter();
  const auto wrong = EventBatch(3, 1)->RemoveColumn(0).ValueOrDie();
  EXPECT_THAT(writer->WriteBatches({EventBatch(0, 3), wrong}),
              IsErrorSaying(ErrorKind::kInvalid, "column=id"));
  EXPECT_THAT(world.DataFiles(), IsEmpty());
  EXPECT_EQ(world.Snapshots(), 0);
  EXPECT_FALSE(writer->HasActiveTransaction());
  EXPECT_THAT(writer->WriteBatches({EventBatch(0, 3)}), IsOk());
  EXPECT_EQ(world.Read(), EventRows(0, 3));
}

TEST_P(Transactions, SeveralBatchesJoinTheActiveOne) {
  WriterWorld world(NewCatalog());
  const auto writer = world.OpenWriter();
  const std::string id = Begin(*writer);
  EXPECT_THAT(writer->WriteBatches({EventBatch(0, 3), EventBatch(3, 3)}), IsOk());
  EXPECT_EQ(writer->CurrentTransactionId(), id);
  EXPECT_EQ(world.Snapshots(), 0);
  EXPECT_THAT(writer->CommitTransaction(id), IsOk());
  EXPECT_EQ(world.Read(), EventRows(0, 6));
}

TEST_P(Transactions, AFailedCommitLeavesNoSnapshotAndNoFile) {
  for (const CommitFault fault :
       {CommitFault::kConflict, CommitFault::kOutage, CommitFault::kInvalid}) {
    WriterWorld world(NewCatalog());
    const auto writer = world.OpenWriter();
    const auto before = world.store->List();
    const std::string id = Begin(*writer);
    EXPECT_THAT(writer->WriteBatch(EventBatch(0, 3)), IsOk());
    world.store->catalog->Script({}, fault);
    EXPECT_FALSE(writer->CommitTransaction(id).has_value());
    world.store->catalog->Script({});
    EXPECT_EQ(world.store->List(), before);
    EXPECT_FALSE(writer->HasActiveTransaction());
    EXPECT_THAT(writer->WriteBatch(EventBatch(0, 3)), IsOk());
    EXPECT_EQ(world.Read(), EventRows(0, 3));
  }
}

TEST_P(Transactions, ALostReplyIsFoundOutAndIsASuccess) {
  WriterWorld world(NewCatalog());
  const auto writer = world.OpenWriter();
  world.store->catalog->Script({CommitFault::kLostReply});
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 3)), IsOk());
  EXPECT_EQ(world.Read(), EventRows(0, 3));
  EXPECT_EQ(world.Snapshots(), 1);
  EXPECT_TRUE(world.Logged("transaction committed", "found_by_looking=true"));
}

// The reply of the commit is lost, and with it the catalog, for longer than we insist.
std::string LeaveInDoubt(WriterWorld& world, IcebergTableWriter& writer, CommitFault fault) {
  const std::string id = Begin(writer);
  EXPECT_THAT(writer.WriteBatch(EventBatch(0, 3)), IsOk());
  world.store->catalog->Script({fault});
  world.store->catalog->AfterNextCommit([&] { world.store->catalog->FailReads(2); });
  EXPECT_THAT(writer.CommitTransaction(id),
              IsErrorSaying(ErrorKind::kUnknownOutcome, "commit or roll back again to find out"));
  EXPECT_EQ(writer.CurrentTransactionId(), id);
  EXPECT_THAT(world.DataFiles(), SizeIs(1)) << "nothing is deleted until it is known";
  return id;
}

TEST_P(Transactions, InDoubtACommitFindsOutAndNeverAppliesTwice) {
  for (const CommitFault fault :
       {CommitFault::kLostReply, CommitFault::kLostRequest, CommitFault::kLateRequest}) {
    WriterWorld world(NewCatalog());
    const auto writer = world.OpenWriter();
    const std::string id = LeaveInDoubt(world, *writer, fault);
    EXPECT_THAT(writer->WriteBatch(EventBatch(3, 3)),
                IsErrorSaying(ErrorKind::kInvalid, "in doubt"));
    EXPECT_THAT(writer->CommitTransaction(id), IsOk());
    EXPECT_EQ(world.Read(), EventRows(0, 3));
    EXPECT_EQ(world.Snapshots(), 1);
    EXPECT_FALSE(writer->HasActiveTransaction());
  }
}

TEST_P(Transactions, InDoubtARollbackSaysWhichItWas) {
  {
    WriterWorld world(NewCatalog());
    const auto writer = world.OpenWriter();
    const std::string id = LeaveInDoubt(world, *writer, CommitFault::kLostReply);
    EXPECT_THAT(writer->RollbackTransaction(id),
                IsErrorSaying(ErrorKind::kConflict, "was committed"));
    EXPECT_EQ(world.Read(), EventRows(0, 3));
  }
  for (const CommitFault fault : {CommitFault::kLostRequest, CommitFault::kLateRequest}) {
    WriterWorld world(NewCatalog());
    const auto writer = world.OpenWriter();
    const std::string id = LeaveInDoubt(world, *writer, fault);
    const Status rolled_back = writer->RollbackTransaction(id);
    // A late request may win against the rollback; then the rows are there, whole.
    EXPECT_EQ(world.Read(), rolled_back.has_value() ? Rows{} : EventRows(0, 3));
    EXPECT_THAT(world.DataFiles(), SizeIs(rolled_back.has_value() ? 0 : 1));
    EXPECT_FALSE(writer->HasActiveTransaction());
    EXPECT_THAT(writer->WriteBatch(EventBatch(5, 1)), IsOk());
    EXPECT_THAT(world.Read(), SizeIs(rolled_back.has_value() ? 1 : 4)) << "nothing comes late";
  }
}

// Hours later the snapshot that would tell is expired. Writing the rows again would double them,
// deleting the files would tear them out of the table.
TEST_P(Transactions, InDoubtForLongerThanHistoryIsKeptNeverGuesses) {
  WriterWorld world(NewCatalog());
  TableOptions options;
  options.properties = {{"signaldb.expire-on-commit.enabled", "true"},
                        {"history.expire.max-snapshot-age-ms", "1000"}};
  const auto writer = world.OpenWriter("events", options);
  const auto other = world.OpenWriter("events", options);
  const std::string id = LeaveInDoubt(world, *writer, CommitFault::kLostReply);
  for (int i = 3; i < 6; ++i) {
    world.store->clock->Advance(std::chrono::hours(1));
    EXPECT_THAT(other->WriteBatch(EventBatch(i, 1)), IsOk());
  }
  EXPECT_THAT(writer->CommitTransaction(id),
              IsErrorSaying(ErrorKind::kUnknownOutcome, "were expired"));
  EXPECT_THAT(writer->RollbackTransaction(id),
              IsErrorSaying(ErrorKind::kUnknownOutcome, "were expired"));
  EXPECT_EQ(world.Read(), EventRows(0, 6));
}

TEST_P(Transactions, RowsAreDeletedOverwrittenAndReplacedInSnapshotsOfTheirOwn) {
  WriterWorld world(NewCatalog());
  const auto writer = world.OpenWriter();
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 10)), IsOk());
  const Result<EditCounts> deleted =
      writer->DeleteWhere(RowFilter::GreaterOrEqual("id", std::int64_t{8}));
  ASSERT_THAT(deleted, IsOk());
  EXPECT_EQ(deleted->rows_deleted, 2);
  EXPECT_EQ(deleted->files_rewritten, 1);
  EXPECT_EQ(world.Read(), EventRows(0, 8));
  ASSERT_THAT(
      writer->OverwriteWhere(RowFilter::Less("id", std::int64_t{8}), {EventBatch(0, 3, "x")}),
      IsOk());
  EXPECT_EQ(world.Read(), EventRows(0, 3, "x"));
  ASSERT_THAT(writer->ReplacePartitions({EventBatch(5, 1)}), IsOk());
  EXPECT_EQ(world.Read(), EventRows(5, 1)) << "all, since it is not partitioned";
  EXPECT_EQ(world.Snapshots(), 4);
}

TEST_P(Transactions, RowsAreNotDeletedWhileATransactionIsActive) {
  WriterWorld world(NewCatalog());
  const auto writer = world.OpenWriter();
  const std::string id = Begin(*writer);
  EXPECT_THAT(writer->DeleteWhere(RowFilter::All()), IsErrorSaying(ErrorKind::kInvalid, id));
  EXPECT_THAT(writer->RollbackTransaction(id), IsOk());
  EXPECT_THAT(world.Read(), IsEmpty());
  EXPECT_THAT(writer->OverwriteWhere(RowFilter::All(), {nullptr}),
              IsErrorSaying(ErrorKind::kInvalid, "null"));
}

TEST_P(Transactions, TwoWritersOfOneTableBothWin) {
  WriterWorld world(NewCatalog());
  const auto first = world.OpenWriter();
  const auto second = world.OpenWriter();
  const std::string a = Begin(*first);
  const std::string b = Begin(*second);
  EXPECT_THAT(first->WriteBatch(EventBatch(0, 3)), IsOk());
  EXPECT_THAT(second->WriteBatch(EventBatch(3, 3)), IsOk());
  EXPECT_THAT(first->CommitTransaction(a), IsOk());
  EXPECT_EQ(world.Read(), EventRows(0, 3));
  EXPECT_THAT(second->CommitTransaction(b), IsOk());
  EXPECT_EQ(world.Read(), EventRows(0, 6));
}

TEST_P(Transactions, AFailingStoreLeavesNothingOfABatchBehind) {
  for (std::uint64_t at = 1; at < 40; ++at) {
    WriterWorld world(NewCatalog());
    world.config.retry.max_attempts = 1;
    const auto writer = world.OpenWriter();
    const std::string id = Begin(*writer);
    EXPECT_THAT(writer->WriteBatch(EventBatch(0, 3)), IsOk());
    world.store->io->Arm(at, FaultMoment::kAfter);
    const Status written = writer->WriteBatch(EventBatch(3, 3));
    const bool fired = world.store->io->fired();
    world.store->io->Disarm();
    EXPECT_THAT(world.DataFiles(), SizeIs(written.has_value() ? 2 : 1)) << "operation " << at;
    EXPECT_THAT(writer->CommitTransaction(id), IsOk());
    EXPECT_EQ(world.Read(), EventRows(0, written.has_value() ? 6 : 3));
    if (!fired) break;
  }
}

TEST_P(CatalogTransactions, CommitSeveralTablesAsOne) {
  WriterWorld world(NewCatalog());
  const auto orders = world.OpenWriter("orders");
  const auto lines = world.OpenWriter("lines");
  auto transaction = CatalogTransaction::Begin({*orders, *lines});
  ASSERT_THAT(transaction, IsOk());
  EXPECT_THAT((*transaction)->WriteBatch(*orders, EventBatch(0, 3)), IsOk());
  EXPECT_THAT((*transaction)->WriteBatch(*lines, EventBatch(0, 9)), IsOk());
  EXPECT_THAT((*transaction)->WriteBatch(*orders, EventBatch(3, 3)), IsOk());
  const int commits = world.store->catalog->commits();
  EXPECT_THAT((*transaction)->Commit(), IsOk());
  EXPECT_EQ(world.store->catalog->commits(), commits + 1);
  EXPECT_EQ(world.Read("orders"), EventRows(0, 6));
  EXPECT_EQ(world.Read("lines"), EventRows(0, 9));
  EXPECT_EQ(world.Current("lines").current_snapshot()->summary.at("signaldb.commit-id"),
            (*transaction)->id());
  EXPECT_THAT((*transaction)->Commit(), IsErrorSaying(ErrorKind::kInvalid, "is committed"));
}

TEST_P(CatalogTransactions, FailRollBackAndAreDroppedAsOne) {
  WriterWorld world(NewCatalog());
  const auto orders = world.OpenWriter("orders");
  const auto lines = world.OpenWriter("lines");
  for (int way = 0; way < 3; ++way) {
    auto transaction = CatalogTransaction::Begin({*orders, *lines});
    ASSERT_THAT(transaction, IsOk());
    EXPECT_THAT((*transaction)->WriteBatch(*orders, EventBatch(0, 3)), IsOk());
    EXPECT_THAT((*transaction)->WriteBatch(*lines, EventBatch(0, 9)), IsOk());
    if (way == 0) {
      world.store->catalog->Script({}, CommitFault::kConflict);
      EXPECT_FALSE((*transaction)->Commit().has_value());
      world.store->catalog->Script({});
    } else if (way == 1) {
      EXPECT_THAT((*transaction)->Rollback(), IsOk());
    }
    transaction->reset();
    EXPECT_THAT(world.DataFiles(), IsEmpty());
    EXPECT_EQ(world.Snapshots("orders") + world.Snapshots("lines"), 0);
    EXPECT_THAT(world.Read("orders"), IsEmpty());
    EXPECT_THAT(world.Read("lines"), IsEmpty());
  }
}

TEST_P(CatalogTransactions, RefuseWritersThatCannotCommitTogether) {
  WriterWorld world(NewCatalog());
  WriterWorld other_world(NewCatalog());
  const auto orders = world.OpenWriter("orders");
  const auto same = world.OpenWriter("orders");
  const auto elsewhere = other_world.OpenWriter("lines");
  EXPECT_THAT(CatalogTransaction::Begin({}), IsErrorSaying(ErrorKind::kInvalid, "at least one"));
  EXPECT_THAT(CatalogTransaction::Begin({*orders, *same}),
              IsErrorSaying(ErrorKind::kInvalid, "stands twice"));
  EXPECT_THAT(CatalogTransaction::Begin({*orders, *elsewhere}),
              IsErrorSaying(ErrorKind::kInvalid, "share one object store"));
  auto transaction = CatalogTransaction::Begin({*orders});
  ASSERT_THAT(transaction, IsOk());
  EXPECT_THAT((*transaction)->WriteBatch(*elsewhere, EventBatch(0, 1)),
              IsErrorSaying(ErrorKind::kInvalid, "begun without this writer"));
  EXPECT_THAT((*transaction)->WriteBatch(*orders, EventBatch(0, 1)), IsOk());
  EXPECT_THAT((*transaction)->Commit(), IsOk());
  EXPECT_EQ(world.Read("orders"), EventRows(0, 1));
  EXPECT_THAT(other_world.Read("lines"), IsEmpty());
}

constexpr auto kNameOf = [](const auto& each) { return each.param; };
INSTANTIATE_TEST_SUITE_P(On, Transactions, ::testing::Values("memory", "postgres"), kNameOf);
INSTANTIATE_TEST_SUITE_P(On, CatalogTransactions, ::testing::Values("memory", "postgres"), kNameOf);

TEST(TransactionTimeouts, OneThatTimedOutIsInNobodysWay) {
  WriterWorld world;
  world.config.transaction_timeout = std::chrono::seconds(10);
  const auto writer = world.OpenWriter();
  const auto time_out = [&] {
    Begin(*writer);
    EXPECT_THAT(writer->WriteBatch(EventBatch(0, 1)), IsOk());
    world.store->clock->SleepFor(std::chrono::seconds(11), {});
  };
  time_out();
  EXPECT_FALSE(writer->HasActiveTransaction());
  EXPECT_THAT(world.DataFiles(), IsEmpty());
  time_out();
  EXPECT_EQ(writer->CurrentTransactionId(), std::nullopt);
  time_out();
  EXPECT_THAT(writer->DeleteWhere(RowFilter::All()), IsOk());
  time_out();
  EXPECT_THAT(writer->SetRetryConfig({}), IsOk());
  time_out();
  const std::string id = Begin(*writer);
  EXPECT_THAT(writer->WriteBatch(EventBatch(1, 1)), IsOk());
  EXPECT_THAT(writer->CommitTransaction(id), IsOk());
  EXPECT_EQ(world.Read(), EventRows(1, 1));
}

// Tables that could be made and never written, or that were written other than as they say.
TEST(Tables, AreRefusedByNameWhenNothingCouldBeWrittenToThem) {
  WriterWorld world;
  struct Case {
    std::function<void(TableOptions&)> change;
    const char* says;
  };
  const auto property = [](const char* key, const char* value) {
    return [key, value](TableOptions& options) { options.properties[key] = value; };
  };
  const Case cases[] = {
      {[](TableOptions& o) { o.partition_by = {{"s.x", "identity", ""}}; }, "column=s.x"},
      {[](TableOptions& o) { o.sort_by = {{.column = "s.x"}}; }, "column=s.x"},
      {property("write.parquet.compression-codec", "zip"), "compression-codec"},
      {property("write.parquet.compression-level", "99"), "compression-level"},
      {property("write.target-file-size-bytes", "abc"), "write.target-file-size-bytes"},
      {property("write.parquet.row-group-size-bytes", "0"), "write.parquet.row-group-size-bytes"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.says);
    TableOptions options;
    options.schema =
        arrow::schema({arrow::field("id", arrow::int64()),
                       arrow::field("s", arrow::struct_({arrow::field("x", arrow::int64())}))});
    c.change(options);
    EXPECT_THAT(
        CreateIcebergWriterForTable(world.config, world.store, "acme", "prod", "t", options),
        IsErrorSaying(ErrorKind::kInvalid, c.says));
  }
  for (const auto& type : {arrow::struct_({}), arrow::list_view(arrow::int64())}) {
    TableOptions options;
    options.schema = arrow::schema({arrow::field("odd", type)});
    EXPECT_THAT(
        CreateIcebergWriterForTable(world.config, world.store, "acme", "prod", "t", options),
        IsErrorSaying(ErrorKind::kInvalid, "column=odd"));
  }
  EXPECT_THAT(world.store->real_io.List("memory://").value_or(std::vector<std::string>{"?"}),
              IsEmpty());
}

TEST(Tables, AreOpenedWithoutAskingForTheirSchemaAgain) {
  WriterWorld world;
  const auto open = [&] {
    return CreateIcebergWriterForTable(world.config, world.store, "acme", "prod", "events", {});
  };
  EXPECT_THAT(open(), IsErrorSaying(ErrorKind::kNotFound, "table=acme.prod.events"));
  ASSERT_THAT(world.OpenWriter()->WriteBatch(EventBatch(0, 1)), IsOk());
  const auto again = open();
  ASSERT_THAT(again, IsOk());
  EXPECT_THAT((*again)->WriteBatch(EventBatch(1, 1)), IsOk());
  EXPECT_EQ(world.Read(), EventRows(0, 2));
}

TEST(Tables, TakeDecimalsAndLongTextsToDivideBy) {
  for (const std::string transform : {"identity", "bucket[4]", "truncate[10]"}) {
    for (const auto& type :
         {arrow::decimal128(9, 2), arrow::decimal128(18, 2), arrow::decimal128(38, 2)}) {
      WriterWorld world;
      TableOptions options;
      options.schema = arrow::schema({arrow::field("price", type)});
      options.partition_by = {{"price", transform, ""}};
      const auto writer = world.OpenWriter("priced", options);
      const auto prices =
          arrow::json::ArrayFromJSONString(type, R"(["1.25", "-3.50", null, "1.25"])");
      EXPECT_THAT(writer->WriteBatch(arrow::RecordBatch::Make(options.schema, 4, {*prices})),
                  IsOk());
      std::int64_t rows = 0;
      for (const auto& batch : world.ReadBatches("priced")) rows += batch->num_rows();
      EXPECT_EQ(rows, 4);
    }
  }
}

TEST(Tables, GetWhatTheirPropertiesSayFromTheNextFileOn) {
  WriterWorld world;
  const auto writer = world.OpenWriter();
  ASSERT_THAT(writer->WriteBatch(EventBatch(0, 500)), IsOk());
  const std::size_t before = world.ReadBatches().size();
  const auto catalog = IcebergCatalog::Open(world.config, world.store);
  ASSERT_THAT(catalog, IsOk());
  const TableName table{.levels = "acme.prod", .name = "events"};
  EXPECT_THAT(
      (*catalog)->SetTableProperties(table, {{"write.parquet.row-group-size-bytes", "1000"}}),
      IsOk());
  EXPECT_THAT(writer->WriteBatch(EventBatch(500, 500)), IsOk());
  EXPECT_GT(world.ReadBatches().size(), before + 5) << "one batch a row group";
  // A table that is dropped and made anew is another one, and takes rows at once.
  EXPECT_THAT((*catalog)->DropTable(table), IsOk());
  TableOptions options;
  options.schema = testing::EventSchema();
  options.location = "memory:///anew";
  EXPECT_THAT((*catalog)->CreateTable(table, options), IsOk());
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 2)), IsOk());
  EXPECT_EQ(world.Read(), EventRows(0, 2));
}

TEST(Tables, OfANameThatWasRenamedAwayGetAFolderOfTheirOwn) {
  WriterWorld world;
  ASSERT_THAT(world.OpenWriter()->WriteBatch(EventBatch(0, 1)), IsOk());
  const auto catalog = IcebergCatalog::Open(world.config, world.store);
  ASSERT_THAT(catalog, IsOk());
  EXPECT_THAT((*catalog)->RenameTable({"acme.prod", "events"}, {"acme.prod", "old"}), IsOk());
  ASSERT_THAT(world.OpenWriter()->WriteBatch(EventBatch(1, 1)), IsOk());
  EXPECT_NE(world.Current("old").location, world.Current().location);
  EXPECT_THAT((*catalog)->PurgeTable({"acme.prod", "old"}), IsOk());
  EXPECT_EQ(world.Read(), EventRows(1, 1));
}

TEST(Tables, GetRowGroupsOfTheSizeTheyAskFor) {
  WriterWorld world;
  TableOptions options;
  options.properties["write.parquet.row-group-size-bytes"] = "1000";
  const auto writer = world.OpenWriter("events", options);
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 500)), IsOk());
  EXPECT_GT(world.ReadBatches().size(), 5U) << "one batch a row group";
}

}  // namespace
}  // namespace signaldb
