#include "iceberg/schema/partition_spec.h"

#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace signaldb {
namespace {

using testing::IsErrorSaying;
using testing::IsOk;

Schema TwoColumns() {
  Schema schema;
  schema.fields = {{.id = 1, .name = "ts", .required = true, .type = Type(TypeId::kTimestampTz)},
                   {.id = 2, .name = "who", .type = Type(TypeId::kString)}};
  return schema;
}

PartitionField On(std::int32_t source, const char* name, const char* transform) {
  return {source, 1000, name, Transform::FromText(transform)};
}

TEST(PartitionSpec, HasOneTypeAField) {
  const PartitionSpec spec{
      0,
      {On(1, "ts_day", "day"), On(2, "who", "identity"), On(2, "b", "bucket[4]"),
       On(7, "gone", "identity"), On(2, "new", "zorder")}};
  const auto types = PartitionTypes(spec, TwoColumns());
  ASSERT_THAT(types, IsOk());
  std::vector<std::string> texts;
  for (const Type& type : *types) texts.push_back(type.ToText());
  EXPECT_THAT(texts, ::testing::ElementsAre("date", "string", "int", "unknown", "unknown"));
}

TEST(PartitionSpec, NamesTheColumnThatATransformDoesNotTake) {
  const PartitionSpec spec{0, {On(2, "who_hour", "hour")}};
  EXPECT_THAT(PartitionTypes(spec, TwoColumns()),
              IsErrorSaying(ErrorKind::kInvalid, "column=who partition_field=who_hour"));
}

TEST(PartitionSpec, MakesFolderNames) {
  const PartitionSpec spec{0, {On(1, "ts_hour", "hour"), On(2, "who", "identity")}};
  const auto types = PartitionTypes(spec, TwoColumns());
  ASSERT_THAT(types, IsOk());
  const std::pair<Literal, const char*> rows[] = {
      {{std::string("a")}, "ts_hour=2017-11-16-22/who=a"},
      {{std::string("a b/c=d?")}, "ts_hour=2017-11-16-22/who=a+b%2Fc%3Dd%3F"},
      {{std::string("../x")}, "ts_hour=2017-11-16-22/who=..%2Fx"},
      {{std::string("50%*~+\"")}, "ts_hour=2017-11-16-22/who=50%25%2A%7E%2B%22"},
      {{std::string("\xc3\xa4")}, "ts_hour=2017-11-16-22/who=%C3%A4"},
      {{std::string(1, '\0')}, "ts_hour=2017-11-16-22/who=%00"},
      {{}, "ts_hour=2017-11-16-22/who=null"},
  };
  for (const auto& [value, path] : rows) {
    EXPECT_EQ(PartitionPath(spec, *types, {{std::int32_t{419'686}}, value}), path);
  }
}

TEST(PartitionSpec, ShortensFolderNamesThatFileSystemsRefuse) {
  const PartitionSpec spec{0, {On(2, "who", "identity")}};
  const auto types = PartitionTypes(spec, TwoColumns());
  ASSERT_THAT(types, IsOk());
  const auto folder = [&](const std::string& value) {
    return PartitionPath(spec, *types, {Literal{value}});
  };
  EXPECT_EQ(folder(std::string(251, 'x')), "who=" + std::string(251, 'x')) << "just fits";
  EXPECT_EQ(folder(std::string(252, 'x')).size(), 255);
  EXPECT_EQ(folder(std::string(300, 'x')), folder(std::string(300, 'x')));
  EXPECT_NE(folder(std::string(300, 'x')), folder(std::string(301, 'x')));
  std::string accents;
  for (int i = 0; i < 60; ++i) accents += "\xc3\xa9";
  for (const std::string start : {"", "a", "ab"}) {
    const std::string name = folder(start + accents);
    EXPECT_LE(name.size(), 255);
    const std::size_t dash = name.rfind('-');
    ASSERT_NE(dash, std::string::npos);
    EXPECT_EQ(name[dash - 3], '%') << "whole codes are kept " << name;
  }
}

TEST(PartitionSpec, HasNoFolderWhenUnpartitioned) {
  EXPECT_EQ(PartitionPath({}, {}, {}), "");
  EXPECT_TRUE(PartitionSpec{}.unpartitioned());
}

}  // namespace
}  // namespace signaldb
