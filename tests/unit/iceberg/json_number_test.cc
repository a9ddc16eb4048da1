#include "iceberg/json/json_number.h"

#include <bit>
#include <cstdint>
#include <limits>
#include <string>

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "iceberg/json/json_reader.h"
#include "testing/matchers.h"

namespace signaldb {
namespace {

using testing::IsErrorSaying;
using testing::IsOk;

using Double = std::numeric_limits<double>;

constexpr std::uint64_t operator""_u(unsigned long long value) { return value; }

struct NumberCase {
  std::string text;
  JsonNumber value;
};

TEST(JsonNumber, ReadsWholeNumbersExactlyAndOthersAsTheNearestDouble) {
  const NumberCase cases[] = {
      {"0", 0_u},
      {"-0", std::int64_t{0}},
      {"-1", std::int64_t{-1}},
      {"2147483648", 2147483648_u},
      {"9007199254740993", 9007199254740993_u},
      {"9223372036854775807", 9223372036854775807_u},
      {"-9223372036854775808", std::numeric_limits<std::int64_t>::min()},
      {"18446744073709551615", 18446744073709551615_u},
      {"18446744073709551616", 18446744073709551616.0},
      {"-9223372036854775809", -9223372036854775809.0},
      {"123456789012345678901234567890", 123456789012345678901234567890.0},
      {"1E+2", 100.0},
      {"1.0", 1.0},
      {"0e5", 0.0},
      {"0E-5", 0.0},
      {"-0.0", -0.0},
      {"0.0e-400", 0.0},
      {"0.1", 0.1},
      {"2.2250738585072011e-308", 2.2250738585072011e-308},
      {"5e-324", Double::denorm_min()},
      {"1e-400", 0.0},
      {"-1e-400", -0.0},
      {"0." + std::string(500, '0') + "1", 0.0},
      {"0." + std::string(500, '0') + "1e+501", 1.0},
      {"1e-99999999999999999999", 0.0},
      {"1." + std::string(5'000, '3'), 4.0 / 3.0},
      {"1.7976931348623157e308", Double::max()},
  };
  for (const NumberCase& c : cases) {
    const auto number = ParseJsonNumber(c.text);
    ASSERT_THAT(number, IsOk()) << c.text;
    EXPECT_EQ(*number, c.value) << c.text;
    if (const auto* expected = std::get_if<double>(&c.value)) {
      EXPECT_EQ(std::bit_cast<std::uint64_t>(std::get<double>(*number)),
                std::bit_cast<std::uint64_t>(*expected))
          << c.text;
    }
  }
}

TEST(JsonNumber, RefusesWhatNoDoubleHolds) {
  for (const std::string& text : {std::string("1e400"), std::string("-1.8e308"),
                                  std::string(400, '9'), std::string("1e99999999999999999999")}) {
    EXPECT_THAT(ParseJsonNumber(text), IsErrorSaying(ErrorKind::kCorrupt, "larger than any double"))
        << text;
  }
  EXPECT_THAT(ParseJsonNumber("1x"), IsErrorSaying(ErrorKind::kCorrupt, "not one number=1x"));
}

TEST(JsonReader, GivesNumbersTheTypeThatTheyHaveInTheText) {
  rapidjson::Document document;
  ASSERT_THAT(ParseJson(R"({"int":-5,"long":9223372036854775807,"zero":0e5,"tiny":0.0e-400,
                            "huge":123456789012345678901234567890,"one":1E+2})",
                        document),
              IsOk());
  const auto root = JsonObject::Of(document, "");
  ASSERT_THAT(root, IsOk());
  EXPECT_EQ(*root->Int("int"), -5);
  EXPECT_EQ(*root->Long("long"), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(root->Find("zero")->GetDouble(), 0.0);
  EXPECT_EQ(root->Find("tiny")->GetDouble(), 0.0);
  EXPECT_EQ(root->Find("one")->GetDouble(), 100.0);
  EXPECT_THAT(root->Long("huge"),
              IsErrorSaying(ErrorKind::kCorrupt, "json value is not a long key=huge"));
  EXPECT_THAT(root->Int("long"), IsErrorSaying(ErrorKind::kCorrupt, "not an int key=long"));
}

TEST(JsonReader, RefusesNumbersThatAreOutOfRangeOrNoJson) {
  for (const char* text :
       {"[1e400]", "[-1e400]", "[01]", "[+1]", "[1.]", "[.5]", "[1e]", "[NaN]", "[-]", "[0x1]"}) {
    rapidjson::Document document;
    EXPECT_FALSE(ParseJson(text, document).has_value()) << text;
  }
  rapidjson::Document document;
  // RapidJSON's grammar lets this one through: 17 digits and the range ends between them.
  EXPECT_THAT(ParseJson("[1.7976931348623159e308]", document),
              IsErrorSaying(ErrorKind::kCorrupt,
                            "larger than any double number=1.7976931348623159e308 offset=1"));
}

}  // namespace
}  // namespace signaldb
