#include "telemetry/wire_reader.h"

#include <string>

#include <gtest/gtest.h>

#include "telemetry/json_text.h"
#include "telemetry/string_table.h"
#include "telemetry/utf8.h"

namespace signaldb {
namespace {

using namespace std::string_literals;

/// Skips all fields; true if that goes well.
bool IsWellFormed(const std::string& message) {
  WireReader reader(message);
  while (reader.Next()) reader.Skip();
  return reader.ok();
}

TEST(WireReader, AcceptsWhatGooglesParserAccepts) {
  struct Case {
    const char* name;
    std::string bytes;
    bool well_formed;
  };
  const Case cases[] = {
      {"nothing", "", true},
      {"varint", "\x08\x01"s, true},
      {"varint of ten bytes", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s, true},
      {"varint of eleven bytes", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s, false},
      {"varint cut off", "\x08\x80"s, false},
      {"tag without value", "\x08"s, false},
      {"fixed64 cut off", "\x09\x01\x02\x03"s, false},
      {"fixed32", "\x0d\x01\x02\x03\x04"s, true},
      {"length", "\x0a\x02xx"s, true},
      {"length beyond the end", "\x0a\x03xx"s, false},
      {"length of 2^63", "\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"s, false},
      {"field number 0", "\x00\x01"s, false},
      {"reserved field number", "\xe2\xc1\x09\x00"s, true},
      {"wire type 6", "\x0e\x01"s, false},
      {"group", "\x0b\x08\x01\x0c"s, true},
      {"group in a group", "\x0b\x13\x14\x0c"s, true},
      {"group without an end", "\x0b\x08\x01"s, false},
      {"group with another's end", "\x0b\x14"s, false},
      {"end of no group", "\x0c"s, false},
  };
  for (const auto& c : cases) EXPECT_EQ(IsWellFormed(c.bytes), c.well_formed) << c.name;
}

TEST(WireReader, BoundsTheDepthOfGroups) {
  EXPECT_TRUE(IsWellFormed(std::string(100, '\x0b') + std::string(100, '\x0c')));
  EXPECT_FALSE(IsWellFormed(std::string(101, '\x0b') + std::string(101, '\x0c')));
  EXPECT_FALSE(IsWellFormed(std::string(1'000'000, '\x0b')));
}

TEST(Utf8, KnowsWellFormedFromIllFormed) {
  const std::string_view good[] = {"",
                                   "plain text of more than eight",
                                   "\xc2\x80",
                                   "\xdf\xbf",
                                   "\xe0\xa0\x80",
                                   "\xed\x9f\xbf",
                                   "\xee\x80\x80",
                                   "\xf0\x90\x80\x80",
                                   "\xf4\x8f\xbf\xbf"};
  const std::string_view bad[] = {"\x80",
                                  "\xc0\x80",
                                  "\xc1\xbf",
                                  "\xc2",
                                  "\xc2\x41",
                                  "\xe0\x9f\xbf",
                                  "\xed\xa0\x80",
                                  "\xe2\x82",
                                  "\xf0\x8f\xbf\xbf",
                                  "\xf4\x90\x80\x80",
                                  "\xf5\x80\x80\x80",
                                  "\xff",
                                  "12345678\xff",
                                  "\xf0\x90\x80"};
  for (const auto text : good) EXPECT_TRUE(IsValidUtf8(text)) << text;
  for (const auto text : bad) EXPECT_FALSE(IsValidUtf8(text)) << text;
}

TEST(JsonText, WritesNumbersAndStringsAsColumnsHoldThem) {
  TextBuffer out;
  AppendJsonDouble(out, 100'000);
  out.Push(' ');
  AppendJsonDouble(out, 0.1);
  out.Push(' ');
  AppendSigned(out, INT64_MIN);
  out.Push(' ');
  AppendUnsigned(out, UINT64_MAX);
  out.Push(' ');
  AppendJsonString(out, "\b\f\n\r\t\x1f\"\\/\x7f€");
  EXPECT_EQ(ViewOf(out),
            R"(1e+05 0.1 -9223372036854775808 18446744073709551615 "\b\f\n\r\t\u001f\"\\/)"
            "\x7f€\"");
}

TEST(StringTable, NumbersTextsByFirstOccurrence) {
  StringTable table;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 10'000; ++i) {
      ASSERT_EQ(table.IndexOf("text " + std::to_string(i)), i);
    }
  }
  EXPECT_EQ(table.IndexOf(""), 10'000);
  EXPECT_EQ(table[10'000], "");
  EXPECT_EQ(table[77], "text 77");
}

}  // namespace
}  // namespace signaldb
