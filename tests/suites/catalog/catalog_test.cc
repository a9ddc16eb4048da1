// Namespaces and tables by the library's handle, on each catalog: made, listed, changed, removed.

#include <filesystem>

#include <gtest/gtest.h>

#include "iceberg/commit/table_commit.h"
#include "library/catalog_parts.h"
#include "suites/library_world.h"

namespace signaldb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const TableName kEvents{"acme.prod", "events"};

class CatalogHandle : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!world_.why_not.empty()) GTEST_SKIP() << world_.why_not;
    catalog_ = world_.OpenCatalog();
    ASSERT_NE(catalog_, nullptr);
  }

  static TableOptions Options() {
    TableOptions options;
    options.schema = EventSchema();
    return options;
  }

  LibraryWorld world_{GetParam()};
  std::unique_ptr<IcebergCatalog> catalog_;
};

TEST_P(CatalogHandle, MakesAndForgetsNamespaces) {
  EXPECT_THAT(catalog_->CreateNamespace("acme.prod", {{"owner", "ann"}}), IsOk());
  EXPECT_THAT(catalog_->CreateNamespace("acme.prod"), IsError(ErrorKind::kConflict));
  EXPECT_THAT(catalog_->ListNamespaces(), IsOkAnd(ElementsAre("acme.prod")));
  EXPECT_THAT(catalog_->UpdateNamespaceProperties("acme.prod", {{"team", "a"}}, {"owner"}), IsOk());
  EXPECT_THAT(catalog_->NamespaceProperties("acme.prod"), IsOkAnd(StringMap{{"team", "a"}}));
  EXPECT_THAT(catalog_->DropNamespace("acme.prod"), IsOk());
  EXPECT_THAT(catalog_->ListNamespaces(), IsOkAnd(IsEmpty()));
  EXPECT_THAT(catalog_->CreateNamespace("acme..prod"), IsError(ErrorKind::kInvalid));
}

TEST_P(CatalogHandle, SeesWhatAWriterOfTheSameConfigurationMakes) {
  const auto writer = world_.OpenWriter();
  ASSERT_THAT(writer->WriteBatch(EventBatch(0, 10)), IsOk());
  EXPECT_THAT(catalog_->ListTables("acme.prod"), IsOkAnd(ElementsAre(kEvents)));
  const auto info = catalog_->LoadTable(kEvents);
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->rows, 10);
  EXPECT_EQ(info->snapshots, 1U);
  EXPECT_EQ(info->location, world_.store->warehouse() + "/acme/prod/events");
  EXPECT_TRUE(info->schema->field(0)->Equals(*arrow::field("id", arrow::int64(), false)));
  EXPECT_THAT(catalog_->DropNamespace("acme.prod"), IsError(ErrorKind::kConflict));
  EXPECT_THAT(catalog_->LoadTable({"acme.prod", "other"}), IsError(ErrorKind::kNotFound));
}

TEST_P(CatalogHandle, MakesATableThatWritersTakeAsItIs) {
  TableOptions options = Options();
  options.properties = {{"write.target-file-size-bytes", "1000000"}};
  EXPECT_THAT(catalog_->CreateTable(kEvents, options), IsOk());
  EXPECT_THAT(catalog_->CreateTable(kEvents, options), IsError(ErrorKind::kConflict));
  EXPECT_THAT(world_.OpenWriter()->WriteBatch(EventBatch(0, 3)), IsOk());
  EXPECT_EQ(catalog_->LoadTable(kEvents)->rows, 3);
}

TEST_P(CatalogHandle, MakesTablesThatSayHowTheyAreCompressed) {
  const auto made = catalog_->CreateTable(kEvents, Options());
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->properties.at("write.parquet.compression-codec"), "zstd");
  EXPECT_EQ(made->properties.at("write.parquet.compression-level"), "1");
  TableOptions options = Options();
  options.properties = {{"write.parquet.compression-codec", "gzip"}};
  const auto packed = catalog_->CreateTable({"acme.prod", "packed"}, options);
  ASSERT_THAT(packed, IsOk());
  EXPECT_EQ(packed->properties.at("write.parquet.compression-codec"), "gzip");
  EXPECT_FALSE(packed->properties.contains("write.parquet.compression-level"));
}

TEST_P(CatalogHandle, SetsPropertiesWithoutASnapshot) {
  ASSERT_THAT(catalog_->CreateTable(kEvents, Options()), IsOk());
  EXPECT_THAT(catalog_->SetTableProperties(kEvents, {{"comment", "x"}}), IsOk());
  const auto info = catalog_->LoadTable(kEvents);
  EXPECT_EQ(info->properties.at("comment"), "x");
  EXPECT_EQ(info->snapshots, 0U);
  EXPECT_THAT(catalog_->SetTableProperties(kEvents, {{"uuid", "x"}}), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(catalog_->SetTableProperties({"acme.prod", "none"}, {{"a", "b"}}),
              IsError(ErrorKind::kNotFound));
}

TEST_P(CatalogHandle, RemovesPropertiesWithThoseItSets) {
  TableOptions options = Options();
  options.properties = {{"comment", "x"}, {"owner", "ann"}, {"team", "a"}};
  ASSERT_THAT(catalog_->CreateTable(kEvents, options), IsOk());
  EXPECT_THAT(catalog_->SetTableProperties(kEvents, {{"team", "b"}}, {"comment", "owner", "none"}),
              IsOk());
  auto info = catalog_->LoadTable(kEvents);
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->properties.at("team"), "b");
  EXPECT_FALSE(info->properties.contains("comment"));
  EXPECT_FALSE(info->properties.contains("owner"));
  EXPECT_TRUE(info->properties.contains("write.parquet.compression-codec"));
  EXPECT_EQ(info->snapshots, 0U);

  EXPECT_THAT(catalog_->SetTableProperties(kEvents, {{"team", "c"}}, {"team"}),
              IsErrorSaying(ErrorKind::kInvalid, "property=team"));
  EXPECT_THAT(catalog_->SetTableProperties(kEvents, {{"team", "c"}}, {"uuid"}),
              IsErrorSaying(ErrorKind::kInvalid, "uuid"));
  info = catalog_->LoadTable(kEvents);
  EXPECT_EQ(info->properties.at("team"), "b") << "all or none";
}

TEST_P(CatalogHandle, RenamesDropsAndRegisters) {
  ASSERT_THAT(world_.OpenWriter()->WriteBatch(EventBatch(0, 10)), IsOk());
  ASSERT_THAT(catalog_->CreateNamespace("acme.old"), IsOk());
  const TableName archived{"acme.old", "events"};
  EXPECT_THAT(catalog_->RenameTable(kEvents, archived), IsOk());
  EXPECT_THAT(catalog_->LoadTable(kEvents), IsError(ErrorKind::kNotFound));
  const auto before = catalog_->LoadTable(archived);
  ASSERT_THAT(before, IsOk());
  EXPECT_THAT(catalog_->DropTable(archived), IsOk());
  EXPECT_THAT(catalog_->DropTable(archived), IsError(ErrorKind::kNotFound));
  const TableName back{"acme.back", "events"};
  EXPECT_THAT(catalog_->RegisterTable(back, before->metadata_location + "x"),
              IsError(ErrorKind::kNotFound));
  EXPECT_THAT(catalog_->RegisterTable(back, "file:///etc/passwd"), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(catalog_->RegisterTable(back, before->metadata_location), IsOk());
  EXPECT_THAT(catalog_->RegisterTable(back, before->metadata_location),
              IsError(ErrorKind::kConflict));
  EXPECT_EQ(catalog_->LoadTable(back)->uuid, before->uuid);
  EXPECT_EQ(catalog_->LoadTable(back)->rows, 10);
}

TEST_P(CatalogHandle, PurgeLeavesNoFileOfTheTableAndEveryFileOfOthers) {
  const auto events = world_.OpenWriter("events");
  for (int i = 0; i < 5; ++i) ASSERT_THAT(events->WriteBatch(EventBatch(i, 1)), IsOk());
  ASSERT_THAT(world_.OpenWriter("others")->WriteBatch(EventBatch(0, 1)), IsOk());
  const auto report = catalog_->PurgeTable(kEvents);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->data_files, 5U);
  EXPECT_EQ(report->manifest_lists, 5U);
  EXPECT_GE(report->manifests, 5U);
  EXPECT_EQ(report->metadata_files, 6U);
  EXPECT_EQ(report->files_kept, 0U);
  for (const std::string& file : world_.Files())
    EXPECT_THAT(file, ::testing::HasSubstr("/others/"));
  EXPECT_THAT(catalog_->ListTables("acme.prod"),
              IsOkAnd(ElementsAre(TableName{"acme.prod", "others"})));
  EXPECT_EQ(catalog_->LoadTable({"acme.prod", "others"})->rows, 1);
  // The writer's table is gone: nothing of what it still writes stays.
  EXPECT_THAT(events->WriteBatch(EventBatch(9, 1)), IsError(ErrorKind::kNotFound));
  for (const std::string& file : world_.Files())
    EXPECT_THAT(file, ::testing::HasSubstr("/others/"));
}

TEST_P(CatalogHandle, PurgeIsRefusedWhereOthersUseTheFiles) {
  const auto writer = world_.OpenWriter();
  ASSERT_THAT(writer->WriteBatch(EventBatch(0, 1)), IsOk());
  const auto files = world_.Files();
  ASSERT_THAT(catalog_->RegisterTable({"acme.prod", "twin"},
                                      catalog_->LoadTable(kEvents)->metadata_location),
              IsOk());
  EXPECT_THAT(catalog_->PurgeTable(kEvents),
              IsErrorSaying(ErrorKind::kConflict, "other=acme.prod.twin"));
  EXPECT_EQ(world_.Files(), files);
  ASSERT_THAT(catalog_->DropTable({"acme.prod", "twin"}), IsOk());
  ASSERT_THAT(catalog_->SetTableProperties(kEvents, {{"gc.enabled", "False"}}), IsOk());
  EXPECT_THAT(catalog_->PurgeTable(kEvents), IsErrorSaying(ErrorKind::kInvalid, "gc.enabled"));
  EXPECT_EQ(catalog_->LoadTable(kEvents)->rows, 1);
  ASSERT_THAT(catalog_->SetTableProperties(kEvents, {{"gc.enabled", "true"}}), IsOk());
  EXPECT_THAT(catalog_->PurgeTable(kEvents), IsOk());
  EXPECT_THAT(world_.Files(), IsEmpty());
}

TEST_P(CatalogHandle, AnInterruptedPurgeIsFinishedUnderTheNameThatItTells) {
  const auto writer = world_.OpenWriter();
  for (int i = 0; i < 3; ++i) ASSERT_THAT(writer->WriteBatch(EventBatch(i, 1)), IsOk());
  // A folder in a file's place cannot be deleted as one.
  std::string victim;
  for (const std::string& file : world_.Files()) {
    if (file.ends_with(".parquet")) victim = file.substr(std::string("file://").size());
  }
  std::filesystem::remove(victim);
  std::filesystem::create_directories(victim + "/inside");
  const auto failed = catalog_->PurgeTable(kEvents);
  ASSERT_THAT(failed, IsErrorSaying(ErrorKind::kUnavailable, "purge it again"));
  std::filesystem::remove_all(victim);
  const auto tables = catalog_->ListTables("acme.prod");
  ASSERT_THAT(tables, IsOkAnd(SizeIs(1)));
  EXPECT_THAT(failed.error().message, ::testing::HasSubstr(tables->front().name));
  EXPECT_THAT(catalog_->PurgeTable(tables->front()), IsOk());
  EXPECT_THAT(world_.Files(), IsEmpty());
  EXPECT_THAT(catalog_->ListTables("acme.prod"), IsOkAnd(IsEmpty()));
}

INSTANTIATE_TEST_SUITE_P(Each, CatalogHandle, ::testing::Values("memory", "sqlite", "postgres"),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace signaldb::testing
