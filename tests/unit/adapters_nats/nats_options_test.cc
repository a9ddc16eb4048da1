#include "adapters/nats/nats_options.h"

#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

namespace signaldb {
namespace {

TEST(MatchesSubject, AsNatsDoes) {
  const std::vector<std::tuple<std::string, std::string, bool>> cases = {
      {"a", "a", true},         {"a", "b", false},         {"a", "a.b", false},
      {"a.b", "a", false},      {"a.*", "a.b", true},      {"a.*", "a", false},
      {"a.*", "a.b.c", false},  {"*.b", "a.b", true},      {"a.>", "a.b.c", true},
      {"a.>", "a", false},      {">", "a", true},          {">", "a.b", true},
      {"a.*.c", "a.b.c", true}, {"a.*.c", "a.b.d", false}, {"*", "a", true},
      {"a*", "ab", false},
  };
  for (const auto& [pattern, subject, matches] : cases) {
    EXPECT_EQ(MatchesSubject(pattern, subject), matches) << pattern << " " << subject;
  }
}

TEST(IsValidNatsName, AllowsWhatServersAndFilesDo) {
  EXPECT_TRUE(IsValidNatsName("OTEL_1-a"));
  EXPECT_TRUE(IsValidNatsName(std::string(128, 'a')));
  for (const std::string& name :
       {std::string(), std::string("a.b"), std::string("a b"), std::string("a/b"), std::string("*"),
        std::string(">"), std::string(129, 'a')}) {
    EXPECT_FALSE(IsValidNatsName(name)) << name;
  }
}

TEST(ShownServer, HidesUserAndPassword) {
  EXPECT_EQ(ShownServer("nats://u:p@host:4222"), "nats://host:4222");
  EXPECT_EQ(ShownServer("nats://u:p@ss@host"), "nats://host");
  EXPECT_EQ(ShownServer("token@host:1"), "host:1");
  EXPECT_EQ(ShownServer("tls://host:4222"), "tls://host:4222");
}

}  // namespace
}  // namespace signaldb
