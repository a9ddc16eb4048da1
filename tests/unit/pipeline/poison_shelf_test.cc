#include "pipeline/poison_shelf.h"

#include <cstring>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"
#include "testing/recording_listener.h"
#include "testing/sim_file_system.h"

namespace signaldb::testing {
namespace {

constexpr const char* kDir = "/log/poison";
constexpr const char* kFile = "/log/poison/00000000000000000007.poison";

class PoisonShelfTest : public ::testing::Test {
 protected:
  Status SetAside(const std::string& body, std::string_view reason = "cannot be decoded") {
    return PoisonShelf(disk, events, kDir)
        .SetAside(7, "header", std::as_bytes(std::span(body)), reason);
  }

  std::string ReadBack() {
    auto file = disk.Open(kFile, OpenMode::kRead);
    EXPECT_THAT(file, IsOk());
    if (!file) return {};
    std::string text((*file)->Size().value_or(0), '\0');
    EXPECT_THAT((*file)->ReadAt(0, std::as_writable_bytes(std::span(text))), IsOk());
    return text;
  }

  SimFileSystem disk;
  RecordingListener events;
};

TEST_F(PoisonShelfTest, KeepsTheBytesAsTheyWereWithTheReason) {
  const std::string body("\x00\xff\n\nreason: x", 14);
  ASSERT_THAT(SetAside(body), IsOk());
  EXPECT_EQ(ReadBack(),
            "reason: cannot be decoded\nheader_bytes: 6\nbody_bytes: 14\n\nheader" + body);
  EXPECT_EQ(events.counter("signaldb_writer_poison_messages_total{reason=undecodable}"), 1);
}

TEST_F(PoisonShelfTest, ReplacesWhatAnEarlierStartSetAside) {
  ASSERT_THAT(SetAside("first"), IsOk());
  ASSERT_THAT(SetAside("second"), IsOk());
  EXPECT_THAT(ReadBack(), ::testing::EndsWith("headersecond"));
  EXPECT_EQ(disk.List(kDir).value_or(std::vector<DirEntry>{}).size(), 1u);
}

TEST_F(PoisonShelfTest, MakesOneLineOfEveryReason) {
  ASSERT_THAT(SetAside("body", "two\nlines\rbody_bytes: 0"), IsOk());
  EXPECT_THAT(ReadBack(),
              ::testing::StartsWith("reason: two lines body_bytes: 0\nheader_bytes: 6"));
}

}  // namespace
}  // namespace signaldb::testing
