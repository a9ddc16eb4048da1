#include "base/decimal_text.h"

#include <bit>
#include <cstdint>
#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace signaldb {
namespace {

using Double = std::numeric_limits<double>;

// The end of the texts counts in both directions: digits outweigh exponents and the other way
// round.
TEST(ReadDouble, GivesTheNearestDouble) {
  const struct {
    std::string text;
    double value;
  } cases[] = {
      {"0", 0.0},
      {"-0", -0.0},
      {"1.5", 1.5},
      {"-2.5E-1", -0.25},
      {"2.2250738585072011e-308", 2.2250738585072011e-308},
      {"5e-324", Double::denorm_min()},
      {"-5e-324", -Double::denorm_min()},
      {"1e-400", 0.0},
      {"-1e-400", -0.0},
      {"0." + std::string(500, '0') + "1", 0.0},
      {"-0." + std::string(500, '0') + "1e+100", -0.0},
      {"0." + std::string(500, '0') + "1e+501", 1.0},
      {"1" + std::string(500, '0') + "e-500", 1.0},
      {"1e-99999999999999999999", 0.0},
      {"-1e-99999999999999999999", -0.0},
      {"1.7976931348623157e308", Double::max()},
  };
  for (const auto& c : cases) {
    double value = 7;
    EXPECT_EQ(ReadDouble(c.text, value), std::errc()) << c.text;
    EXPECT_EQ(std::bit_cast<std::uint64_t>(value), std::bit_cast<std::uint64_t>(c.value)) << c.text;
  }
}

TEST(ReadDouble, TellsTooLargeFromNoNumberAndLeavesTheValue) {
  for (const std::string& text :
       {std::string("1e400"), std::string("-1.8e308"), std::string(400, '9'),
        "-" + std::string(400, '9'), "0.001e" + std::string(30, '9')}) {
    double value = 7;
    EXPECT_EQ(ReadDouble(text, value), std::errc::result_out_of_range) << text;
    EXPECT_EQ(value, 7) << text;
  }
  for (const std::string& text : {std::string(), std::string("-"), std::string("1x"),
                                  std::string("1,5"), std::string("1e400x")}) {
    double value = 7;
    EXPECT_EQ(ReadDouble(text, value), std::errc::invalid_argument) << text;
    EXPECT_EQ(value, 7) << text;
  }
}

}  // namespace
}  // namespace signaldb
