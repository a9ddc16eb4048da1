#include "base/variable_name.h"

#include <gtest/gtest.h>

namespace signaldb {
namespace {

TEST(KeyOfVariable, TakesTwoUnderscoresForAPointAndCapitalsForSmallLetters) {
  EXPECT_EQ(KeyOfVariable("LOG__DIR"), "log.dir");
  EXPECT_EQ(KeyOfVariable("KAFKA__0__SASL_PASSWORD"), "kafka.0.sasl_password");
  EXPECT_EQ(KeyOfVariable("TRANSACTION_TIMEOUT"), "transaction_timeout");
  EXPECT_EQ(KeyOfVariable("A___B"), "a._b");
  EXPECT_EQ(KeyOfVariable(""), "");
}

}  // namespace
}  // namespace signaldb
