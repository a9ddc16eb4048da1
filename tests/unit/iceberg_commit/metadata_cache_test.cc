#include "iceberg/commit/metadata_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/table_world.h"

namespace signaldb {
namespace {

using signaldb::testing::FaultMoment;
using signaldb::testing::IsError;
using signaldb::testing::IsErrorSaying;
using signaldb::testing::IsOk;
using signaldb::testing::TableWorld;

std::shared_ptr<const TableMetadata> Metadata() {
  return std::make_shared<const TableMetadata>(TableMetadata{});
}

TEST(MetadataCache, ReadsAFileOnce) {
  TableWorld world;
  const LoadedTable table = world.CreateTable("logs");
  MetadataCache cache(world.clock, world.events);
  ASSERT_THAT(cache.Metadata(world.io, table.metadata_location), IsOk());
  world.io.Arm(1, FaultMoment::kBefore);
  EXPECT_THAT(cache.Metadata(world.io, table.metadata_location), IsOk());
  EXPECT_FALSE(world.io.fired());
  cache.Clear();
  EXPECT_EQ(cache.bytes_used(), 0U);
  EXPECT_THAT(cache.Metadata(world.io, table.metadata_location), IsError(ErrorKind::kUnavailable));
}

TEST(MetadataCache, NamesTheFileThatIsBroken) {
  TableWorld world;
  ASSERT_THAT(WriteFile(world.io, "memory://w/bad.metadata.json", "{"), IsOk());
  EXPECT_THAT(world.cache.Metadata(world.io, "memory://w/bad.metadata.json"),
              IsErrorSaying(ErrorKind::kCorrupt, "bad.metadata.json"));
  EXPECT_THAT(world.cache.ManifestList(world.io, "memory://w/bad.metadata.json"),
              IsErrorSaying(ErrorKind::kCorrupt, "bad.metadata.json"));
  EXPECT_THAT(world.cache.Metadata(world.io, "memory://w/none"), IsError(ErrorKind::kNotFound));
}

TEST(MetadataCache, ThrowsOutWhatWasUnusedLongest) {
  TableWorld world;
  MetadataCache probe(world.clock, world.events);
  probe.PutMetadata("a", Metadata());
  const std::size_t one = probe.bytes_used();
  MetadataCache cache(world.clock, world.events, {.bytes_max = 2 * one});
  cache.PutMetadata("a", Metadata());
  cache.PutMetadata("b", Metadata());
  ASSERT_THAT(cache.Metadata(world.io, "a"), IsOk());
  cache.PutMetadata("c", Metadata());
  EXPECT_EQ(cache.bytes_used(), 2 * one);
  EXPECT_THAT(cache.Metadata(world.io, "a"), IsOk());
  EXPECT_THAT(cache.Metadata(world.io, "c"), IsOk());
  EXPECT_FALSE(cache.Metadata(world.io, "b").has_value());
  MetadataCache small(world.clock, world.events, {.bytes_max = one - 1});
  small.PutMetadata("a", Metadata());
  EXPECT_EQ(small.bytes_used(), 0U);
}

TEST(MetadataCache, TellsReadersHowOldATableIs) {
  TableWorld world;
  MetadataCache cache(world.clock, world.events, {.read_ttl = std::chrono::seconds(10)});
  const TableIdentifier id = TableWorld::Id("logs");
  EXPECT_FALSE(cache.InfoOf(id).has_value());
  cache.NoteTable({.table = id, .metadata_location = "x", .metadata = Metadata()});
  world.clock.Advance(std::chrono::seconds(9));
  EXPECT_TRUE(cache.FreshTable(id).has_value());
  EXPECT_FALSE(cache.InfoOf(id)->expired);
  world.clock.Advance(std::chrono::seconds(1));
  EXPECT_FALSE(cache.FreshTable(id).has_value());
  EXPECT_TRUE(cache.InfoOf(id)->expired);
  EXPECT_EQ(cache.InfoOf(id)->age, std::chrono::seconds(10));
  cache.ForgetTable(id);
  EXPECT_FALSE(cache.InfoOf(id).has_value());
}

}  // namespace
}  // namespace signaldb
