#include "telemetry/flat_json.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <protozero/pbf_writer.hpp>

#include "telemetry/json_any_value.h"
#include "telemetry/json_tree.h"

namespace signaldb {
namespace {

constexpr std::uint32_t kTag = 6;
const std::string kBefore = "what stood there before";

/// What the tree writes behind `kBefore`; nothing if it is no JSON, or no object where one is due.
std::string ByTree(std::string_view json, bool as_attributes) {
  const auto tree = JsonTree::Parse(json);
  if (!tree) return "";
  std::string bytes = kBefore;
  protozero::pbf_writer out(bytes);
  const JsonAnyValueWriter writer(tree->nodes(), bytes);
  if (as_attributes && tree->nodes()[0].kind != JsonTree::Kind::kObject) return "";
  const bool ok = as_attributes ? writer.Members(0, kTag, out) : writer.Value(0, kTag, out);
  return ok ? bytes : "";
}

std::string Repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(FlatJson, WritesPlainAttributesAsTheTreeDoes) {
  const std::string many = "{" + Repeated(R"("":-1,)", 500) + R"("":-1})";
  for (const std::string& json : {
           std::string("{}"),
           std::string(" \n{ } \t\r"),
           std::string(R"({"a":"b"})"),
           std::string(R"({"a": "b", "c" : "d" ,"e":""} )"),
           std::string(R"({"":"","":null})"),
           std::string(R"({"t":true,"f":false,"n":null,"t":true})"),
           std::string(R"({"zero":0,"minus":-0,"one":-1,"big":999999999999999999})"),
           std::string(R"({"big":-999999999999999999,"length":127,"two bytes":128})"),
           std::string("{\"grün\":\"größer\x7f\",\"eight by eight\":\"0123456789abcdef\"}"),
           "{\"" + std::string(127, 'k') + "\":\"" + std::string(128, 'v') + "\"}",
           "{\"" + std::string(300, 'k') + "\":\"" + std::string(20'000, 'v') + "\"}",
           many,
       }) {
    std::string bytes = kBefore;
    EXPECT_TRUE(AppendFlatAttributes(json, kTag, bytes)) << json;
    EXPECT_EQ(bytes, ByTree(json, true)) << json;
  }
}

TEST(FlatJson, WritesAPlainTextAsTheTreeDoes) {
  for (const std::string& json : {std::string(R"("")"), std::string(R"( "a" )"),
                                  "\"" + std::string(200, 'x') + "\"", std::string("\"größer\"")}) {
    std::string bytes = kBefore;
    EXPECT_TRUE(AppendFlatText(json, kTag, bytes)) << json;
    EXPECT_EQ(bytes, ByTree(json, false)) << json;
  }
}

TEST(FlatJson, LeavesEverythingElseToTheTree) {
  for (const std::string& json : {
           std::string(""),
           std::string(" "),
           std::string("{"),
           std::string("}"),
           std::string("null"),
           std::string("[]"),
           std::string(R"({"a"})"),
           std::string(R"({"a":})"),
           std::string(R"({"a":"b",})"),
           std::string(R"({"a":"b"}})"),
           std::string(R"({"a":"b"} x)"),
           std::string(R"({a:1})"),
           std::string(R"({"a" "b"})"),
           std::string(R"({"a":"b)"),
           std::string(R"({"a":"b"c})"),
           std::string(R"({"a":"\n"})"),
           std::string(R"({"\u0061":1})"),
           std::string("{\"a\":\"line\nbreak\"}"),
           std::string("{\"a\":\"01234567890\x1f\"}"),
           std::string("{\"a\":\"\0\"}", 9),
           std::string(R"({"a":{}})"),
           std::string(R"({"a":[1]})"),
           std::string(R"({"a":1.5})"),
           std::string(R"({"a":1e3})"),
           std::string(R"({"a":01})"),
           std::string(R"({"a":-})"),
           std::string(R"({"a":+1})"),
           std::string(R"({"a":1000000000000000000})"),
           std::string(R"({"a":tru})"),
           std::string(R"({"a":truex})"),
           std::string(R"({"a":nul)"),
           "{\"a\":\"" + std::string(kFlatJsonBytesMax, 'x') + "\"}",
       }) {
    std::string bytes = kBefore;
    EXPECT_FALSE(AppendFlatAttributes(json, kTag, bytes)) << json;
    EXPECT_EQ(bytes, kBefore) << json;
  }
  for (const char* json : {"", "a", "\"", "\"a", "\"a\"b", "\"\\n\"", "\"\t\"", "1", "{}"}) {
    std::string bytes = kBefore;
    EXPECT_FALSE(AppendFlatText(json, kTag, bytes)) << json;
    EXPECT_EQ(bytes, kBefore) << json;
  }
}

TEST(FlatJson, TakesTextsExactlyUpToItsLimit) {
  const std::string json = "{\"a\":\"" + std::string(kFlatJsonBytesMax - 8, 'x') + "\"}";
  ASSERT_EQ(json.size(), kFlatJsonBytesMax);
  std::string bytes = kBefore;
  EXPECT_TRUE(AppendFlatAttributes(json, kTag, bytes));
  EXPECT_EQ(bytes, ByTree(json, true));
}

}  // namespace
}  // namespace signaldb
