// What recovery makes of torn, damaged, stale and foreign bytes (fault matrix W4 to W8).

#include "log/recovery.h"

#include "log/format.h"
#include "log/state_file.h"
#include "log_rig.h"

namespace signaldb {
namespace {

using testing::AppendAndWait;
using ::testing::Contains;
using testing::Contents;
using testing::CrashPolicy;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Gt;
using ::testing::IsEmpty;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::IsOkAnd;
using ::testing::Key;
using testing::kLogDir;
using testing::LogRig;
using ::testing::Optional;
using testing::ReadLog;
using ::testing::SizeIs;

std::string PathOf(std::string_view name) { return fmt::format("{}/{}", kLogDir, name); }

std::string Text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

enum class Ending : std::uint8_t { kClosed, kCrashed };

/// The disk of a log with three small records in one segment.
struct Sample {
  explicit Sample(Ending ending) {
    EXPECT_THAT(rig.Open(), IsOk());
    for (const char* body : {"first body", "second body", "third body"}) {
      EXPECT_THAT(AppendAndWait(*rig.log, "head", body), IsOk());
      ends.push_back(rig.log->bytes_on_disk());
    }
    contents = ReadLog(*rig.log).value();
    uuid = rig.log->uuid();
    if (ending == Ending::kCrashed) rig.files.CutPower();
    rig.log.reset();
    rig.files.Crash(CrashPolicy::kLoseUnsynced, rig.random);
    path = rig.Segments().front();
    bytes = rig.files.ReadWhole(path).value();
  }
  /// Opens on this segment instead.
  [[nodiscard]] Result<Contents> OpenOn(std::string_view segment) {
    rig.log.reset();
    for (const std::string& other : rig.Segments()) rig.files.RemoveDurable(other);
    for (const std::string& name : rig.files.Names(kLogDir)) {
      if (name.starts_with("quarantine")) rig.files.RemoveDurable(PathOf(name));
    }
    rig.files.PutDurable(path, segment);
    SIGNALDB_TRY(rig.Open());
    return ReadLog(*rig.log);
  }

  LogRig rig;
  Contents contents;
  std::vector<std::uint64_t> ends;  ///< Offset behind each record.
  Uuid uuid{};
  std::string path;
  std::string bytes;
};

/// `contents` without those that `missing` holds.
Contents Without(Contents contents, std::initializer_list<Position> missing) {
  for (const Position position : missing) contents.erase(position);
  return contents;
}

TEST(LogRecovery, CutsATailThatIsTornAtAnyByte) {
  Sample sample(Ending::kCrashed);
  ASSERT_EQ(sample.bytes.size(), sample.ends[2]);
  for (std::uint64_t size = sample.ends[1]; size <= sample.ends[2]; ++size) {
    for (const std::size_t zeroes : {0, 1, 100}) {
      const std::string torn = sample.bytes.substr(0, size) + std::string(zeroes, '\0');
      const auto found = sample.OpenOn(torn);
      const bool whole = size == sample.ends[2];
      EXPECT_THAT(found, IsOkAnd(Eq(whole ? sample.contents : Without(sample.contents, {3}))))
          << size;
      const RecoveryReport& report = sample.rig.log->recovery();
      EXPECT_EQ(report.torn_bytes, torn.size() - (whole ? sample.ends[2] : sample.ends[1])) << size;
      EXPECT_EQ(report.quarantined_bytes, 0U) << size;
      // Whatever the torn bytes were, their positions are not given again.
      EXPECT_THAT(AppendAndWait(*sample.rig.log, "head", "fourth"),
                  IsOkAnd(Gt(report.torn_bytes > 0 || whole ? 3U : 2U)));
      ASSERT_THAT(sample.rig.CrashAndOpen(CrashPolicy::kLoseUnsynced), IsOk());
      EXPECT_EQ(sample.rig.log->recovery().torn_bytes, 0U) << size;
      EXPECT_THAT(ReadLog(*sample.rig.log), IsOkAnd(SizeIs(whole ? 4 : 3))) << size;
    }
  }
  EXPECT_TRUE(sample.rig.events.Said(Severity::kInfo, "cut off"));
}

TEST(LogRecovery, FindsEveryFlippedBitAndKeepsTheRest) {
  for (const Ending ending : {Ending::kClosed, Ending::kCrashed}) {
    Sample sample(ending);
    for (std::size_t bit = 0; bit < sample.bytes.size() * 8; ++bit) {
      const std::uint64_t offset = bit / 8;
      std::string damaged = sample.bytes;
      damaged[offset] = static_cast<char>(damaged[offset] ^ (1 << (bit % 8)));
      const auto found = sample.OpenOn(damaged);
      Contents expected = sample.contents;
      if (offset >= kSegmentHeaderBytes && offset < sample.ends[2]) {
        expected.erase(offset < sample.ends[0] ? 1 : offset < sample.ends[1] ? 2 : 3);
      }
      ASSERT_THAT(found, IsOkAnd(Eq(expected))) << "bit=" << bit;
      const RecoveryReport& report = sample.rig.log->recovery();
      // Only the very last bytes may be those of an append that never finished.
      const std::uint64_t last_frame = ending == Ending::kClosed ? sample.ends[2] : sample.ends[1];
      if (offset >= last_frame) {
        ASSERT_EQ(report.torn_bytes, sample.bytes.size() - last_frame) << "bit=" << bit;
      } else {
        ASSERT_GT(report.quarantined_bytes, 0U) << "bit=" << bit;
        ASSERT_THAT(report.quarantined_files, SizeIs(1)) << "bit=" << bit;
        const auto aside = sample.rig.files.ReadWhole(report.quarantined_files.front());
        ASSERT_THAT(aside, Optional(SizeIs(report.quarantined_bytes))) << "bit=" << bit;
        ASSERT_NE(damaged.find(*aside), std::string::npos) << "bit=" << bit;
      }
      ASSERT_THAT(AppendAndWait(*sample.rig.log, "head", "new"), IsOkAnd(Gt(3U))) << "bit=" << bit;
    }
    EXPECT_TRUE(sample.rig.events.Said(Severity::kError, "set aside"));
    EXPECT_GT(sample.rig.events.counter("signaldb_writer_log_quarantined_bytes_total"), 0);
  }
}

TEST(LogRecovery, SetsDamageAsideOnce) {
  Sample sample(Ending::kClosed);
  std::string damaged = sample.bytes;
  damaged[sample.ends[0] + 50] ^= 1;
  ASSERT_THAT(sample.OpenOn(damaged), IsOkAnd(Eq(Without(sample.contents, {2}))));
  EXPECT_EQ(sample.rig.log->recovery().quarantined_bytes, sample.ends[1] - sample.ends[0]);
  ASSERT_THAT(sample.rig.CrashAndOpen(CrashPolicy::kLoseUnsynced), IsOk());
  EXPECT_EQ(sample.rig.log->recovery().quarantined_bytes, 0U);
  EXPECT_THAT(ReadLog(*sample.rig.log), IsOkAnd(Eq(Without(sample.contents, {2}))));
}

TEST(LogRecovery, KeepsWhatFollowsAStretchOfLostSectors) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  for (int i = 0; i < 20; ++i)
    ASSERT_THAT(AppendAndWait(*rig.log, "h", std::string(3000, 'x')), IsOk());
  const std::string path = rig.Segments().front();
  rig.log.reset();
  std::string damaged = rig.files.ReadWhole(path).value();
  damaged.replace(10 * 512, 512 * 130,
                  std::string(512 * 130, '\xC5'));  // longer than a search window
  damaged.resize(damaged.size());
  rig.files.PutDurable(path, damaged);
  ASSERT_THAT(rig.Open(), IsOk());
  const auto found = ReadLog(*rig.log);
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->begin()->first, 1U);
  EXPECT_TRUE(found->contains(1));
  EXPECT_FALSE(found->contains(2));
  EXPECT_EQ(rig.log->recovery().records, found->size());
}

TEST(LogRecovery, GoesOnWhenDamageCannotBeSetAside) {
  Sample sample(Ending::kClosed);
  std::string damaged = sample.bytes;
  damaged[sample.ends[0] + 50] ^= 1;
  sample.rig.files.SetCapacity(damaged.size() + kStateFileBytes + kSegmentHeaderBytes + 10);
  ASSERT_THAT(sample.OpenOn(damaged), IsOkAnd(Eq(Without(sample.contents, {2}))));
  EXPECT_THAT(sample.rig.log->recovery().quarantined_files, IsEmpty());
  EXPECT_GT(sample.rig.log->recovery().quarantined_bytes, 0U);
  sample.rig.files.SetCapacity(std::nullopt);
  ASSERT_THAT(sample.rig.Reopen(), IsOk());
  EXPECT_THAT(sample.rig.log->recovery().quarantined_files, SizeIs(1));
  EXPECT_THAT(ReadLog(*sample.rig.log), IsOkAnd(Eq(Without(sample.contents, {2}))));
}

TEST(LogRecovery, LeavesATornTailUntilItsPositionsAreRemembered) {
  Sample sample(Ending::kCrashed);
  std::string damaged = sample.bytes;
  damaged.back() ^= 1;
  sample.rig.files.SetCapacity(0);  // no new segment can be made
  ASSERT_THAT(sample.OpenOn(damaged), IsOkAnd(SizeIs(2)));
  sample.rig.log.reset();
  EXPECT_THAT(sample.rig.files.ReadWhole(sample.path), Optional(Eq(damaged)));
  sample.rig.files.SetCapacity(std::nullopt);
  ASSERT_THAT(sample.rig.Open(), IsOk());
  EXPECT_THAT(AppendAndWait(*sample.rig.log, "h", "b"), IsOkAnd(Gt(3U)));
}

TEST(LogRecovery, RejectsStaleBytesThatLookValid) {
  Sample sample(Ending::kCrashed);
  const std::string frame = sample.bytes.substr(sample.ends[1], sample.ends[2] - sample.ends[1]);
  // The same frame again, where no frame of this position was written.
  EXPECT_THAT(sample.OpenOn(sample.bytes + frame), IsOkAnd(Eq(sample.contents)));
  EXPECT_EQ(sample.rig.log->recovery().torn_bytes, frame.size());
  // A frame of another log, or of another segment of this one, at the very same offset.
  const FrameHeader header{.position = 4,
                           .content_checksum = ContentChecksum(ContentSeed(sample.uuid), "", {})};
  const auto crafted = [&](const Uuid& uuid, const SegmentId& id, std::uint64_t offset) {
    return Text(EncodeFrameHeader(header, SegmentSeed(uuid, id), offset));
  };
  const SegmentId id =
      ParseSegmentName(sample.path.substr(std::string(kLogDir).size() + 1)).value();
  EXPECT_THAT(sample.OpenOn(sample.bytes + crafted({}, id, sample.bytes.size())),
              IsOkAnd(SizeIs(3)));
  EXPECT_THAT(sample.OpenOn(sample.bytes +
                            crafted(sample.uuid, {id.sequence + 1, id.base}, sample.bytes.size())),
              IsOkAnd(SizeIs(3)));
  EXPECT_THAT(sample.OpenOn(sample.bytes +
                            crafted(sample.uuid, {id.sequence, id.base + 1}, sample.bytes.size())),
              IsOkAnd(SizeIs(3)));
  EXPECT_THAT(sample.OpenOn(sample.bytes + crafted(sample.uuid, id, sample.bytes.size() + 8)),
              IsOkAnd(SizeIs(3)));
  // The right one, to know that the others failed for the reason meant.
  EXPECT_THAT(sample.OpenOn(sample.bytes + crafted(sample.uuid, id, sample.bytes.size())),
              IsOkAnd(SizeIs(4)));
}

TEST(LogRecovery, DoesNotBelieveALengthPastTheEndOfTheFile) {
  Sample sample(Ending::kCrashed);
  const SegmentId id =
      ParseSegmentName(sample.path.substr(std::string(kLogDir).size() + 1)).value();
  const FrameHeader huge{.position = 4, .header_bytes = 0xFFFFFFFF, .body_bytes = 0xFFFFFFFF};
  const std::string frame =
      Text(EncodeFrameHeader(huge, SegmentSeed(sample.uuid, id), sample.bytes.size()));
  EXPECT_THAT(sample.OpenOn(sample.bytes + frame), IsOkAnd(Eq(sample.contents)));
}

TEST(LogRecovery, ReplaysMoreNeverLessWhateverTheCursorSays) {
  const auto cursor_of = [](const Uuid& uuid, Position position) {
    return Text(EncodeStateFile({.kind = StateKind::kCursor, .uuid = uuid, .value = position}));
  };
  struct Row {
    const char* name;
    std::function<std::optional<std::string>(const Uuid&)> cursor;
    Position trimmed;
    Position next;
  };
  const Row rows[] = {
      {"lost", [](const Uuid&) { return std::nullopt; }, 0, 4},
      {"older", [&](const Uuid& uuid) { return cursor_of(uuid, 1); }, 1, 4},
      {"exact", [&](const Uuid& uuid) { return cursor_of(uuid, 3); }, 3, 4},
      {"future", [&](const Uuid& uuid) { return cursor_of(uuid, 4); }, 0, 5},
      {"far future", [&](const Uuid& uuid) { return cursor_of(uuid, 1'000'000); }, 0, 1'000'001},
      {"beyond reason", [&](const Uuid& uuid) { return cursor_of(uuid, ~0ULL); }, 0, 4},
      {"of another log", [&](const Uuid&) { return cursor_of({}, 2); }, 0, 4},
      {"an identity",
       [&](const Uuid& uuid) { return Text(EncodeStateFile({.uuid = uuid, .value = 2})); }, 0, 4},
      {"empty", [&](const Uuid&) { return ""; }, 0, 4},
      {"short", [&](const Uuid& uuid) { return cursor_of(uuid, 2).substr(0, 47); }, 0, 4},
      {"long", [&](const Uuid& uuid) { return cursor_of(uuid, 2) + "x"; }, 0, 4},
  };
  for (const Row& row : rows) {
    Sample sample(Ending::kClosed);
    if (const auto cursor = row.cursor(sample.uuid); cursor.has_value()) {
      sample.rig.files.PutDurable(PathOf(kCursorFileName), *cursor);
    }
    ASSERT_THAT(sample.rig.Open(), IsOk()) << row.name;
    EXPECT_EQ(sample.rig.log->trimmed(), row.trimmed) << row.name;
    const auto left = ReadLog(*sample.rig.log, row.trimmed + 1);
    ASSERT_THAT(left, IsOkAnd(SizeIs(3 - row.trimmed))) << row.name;
    EXPECT_THAT(AppendAndWait(*sample.rig.log, "h", "b"), IsOkAnd(Eq(row.next))) << row.name;
  }
}

TEST(LogRecovery, FindsEveryFlippedBitOfTheCursor) {
  Sample sample(Ending::kClosed);
  const std::string cursor =
      Text(EncodeStateFile({.kind = StateKind::kCursor, .uuid = sample.uuid, .value = 2}));
  for (std::size_t bit = 0; bit < cursor.size() * 8; ++bit) {
    std::string damaged = cursor;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    sample.rig.files.PutDurable(PathOf(kCursorFileName), damaged);
    ASSERT_THAT(sample.OpenOn(sample.bytes), IsOkAnd(SizeIs(3)));
    ASSERT_EQ(sample.rig.log->trimmed(), 0U) << "bit=" << bit;
  }
  EXPECT_TRUE(sample.rig.events.Said(Severity::kWarning, "cursor is unreadable"));
}

TEST(LogRecovery, RestoresALostIdentityFromASegment) {
  Sample sample(Ending::kClosed);
  const std::string identity = sample.rig.files.ReadWhole(PathOf(kIdentityFileName)).value();
  for (std::size_t bit = 0; bit <= identity.size() * 8; ++bit) {
    if (bit == identity.size() * 8) {
      sample.rig.files.RemoveDurable(PathOf(kIdentityFileName));
    } else {
      std::string damaged = identity;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
      sample.rig.files.PutDurable(PathOf(kIdentityFileName), damaged);
    }
    ASSERT_THAT(sample.OpenOn(sample.bytes), IsOkAnd(Eq(sample.contents))) << "bit=" << bit;
    ASSERT_EQ(sample.rig.log->uuid_of(3), sample.uuid);
    // Whether the folder is a copy is not known any more.
    ASSERT_NE(sample.rig.log->uuid(), sample.uuid);
  }
  EXPECT_TRUE(sample.rig.events.Said(Severity::kWarning, "identity of the log was lost"));
}

TEST(LogRecovery, TakesALostIdentityFromTheCursorWhenTheHeaderIsGoneToo) {
  Sample sample(Ending::kClosed);
  ASSERT_THAT(sample.rig.Open(), IsOk());
  ASSERT_THAT(sample.rig.log->Trim(1), IsOk());
  sample.rig.files.PutDurable(PathOf(kIdentityFileName), "nonsense");
  std::string damaged = sample.bytes;
  damaged[0] ^= 1;
  ASSERT_THAT(sample.OpenOn(damaged), IsOkAnd(Eq(sample.contents)));
  EXPECT_EQ(sample.rig.log->uuid_of(3), sample.uuid);
  // With the cursor gone as well, nobody knows.
  sample.rig.log.reset();
  sample.rig.files.RemoveDurable(PathOf(kCursorFileName));
  sample.rig.files.PutDurable(PathOf(kIdentityFileName), "nonsense");
  EXPECT_THAT(sample.OpenOn(damaged), IsErrorSaying(ErrorKind::kCorrupt, "identity is unreadable"));
}

TEST(LogRecovery, BeginsAnewUnderAnotherNameWhenAllSegmentsAreLost) {
  Sample sample(Ending::kClosed);
  ASSERT_THAT(sample.rig.Open(), IsOk());
  ASSERT_THAT(sample.rig.log->Trim(2), IsOk());
  sample.rig.log.reset();
  for (const std::string& path : sample.rig.Segments()) sample.rig.files.RemoveDurable(path);
  ASSERT_THAT(sample.rig.Open(), IsOk());
  EXPECT_NE(sample.rig.log->uuid(), sample.uuid);
  EXPECT_EQ(sample.rig.log->trimmed(), 0U);
  EXPECT_TRUE(sample.rig.events.Said(Severity::kError, "lost all its segments"));
  EXPECT_THAT(AppendAndWait(*sample.rig.log, "h", "b"), IsOkAnd(Eq(1U)));
}

TEST(LogRecovery, SetsASegmentOfAnotherLogAside) {
  Sample sample(Ending::kClosed);
  const SegmentId foreign_id{.sequence = 7, .base = 2};
  const std::string foreign =
      Text(EncodeSegmentHeader({.uuid = {1, 2, 3}, .id = foreign_id})) + "rows of others";
  sample.rig.files.PutDurable(PathOf(SegmentName(foreign_id)), foreign);
  ASSERT_THAT(sample.rig.Open(), IsOk());
  EXPECT_THAT(ReadLog(*sample.rig.log),
              IsOkAnd(Eq(sample.contents)));  // its base supersedes nothing
  EXPECT_THAT(sample.rig.log->recovery().quarantined_files,
              ElementsAre(PathOf("quarantine-" + SegmentName(foreign_id))));
  EXPECT_THAT(sample.rig.files.ReadWhole(PathOf("quarantine-" + SegmentName(foreign_id))),
              Optional(Eq(foreign)));
  EXPECT_TRUE(sample.rig.events.Said(Severity::kError, "of another log"));
}

TEST(LogRecovery, RefusesAnIdentityThatIsOfNoneOfItsSegments) {
  Sample sample(Ending::kClosed);
  sample.rig.files.PutDurable(PathOf(kIdentityFileName), Text(EncodeStateFile({.uuid = {9}})));
  EXPECT_THAT(sample.rig.Open(), IsErrorSaying(ErrorKind::kCorrupt, "another log"));
  EXPECT_THAT(sample.rig.files.ReadWhole(sample.path), Optional(Eq(sample.bytes)));
}

TEST(LogRecovery, IgnoresFilesThatAreNotItsOwn) {
  Sample sample(Ending::kClosed);
  for (const char* name : {"notes.txt", "1-1.seg", "99999999999999999999-00000000000000000001.seg",
                           "18446744073709551615-00000000000000000001.seg",
                           "00000000000000000009-18446744073709551615.seg",
                           "+0000000000000000001-00000000000000000001.seg"}) {
    sample.rig.files.PutDurable(PathOf(name), "x");
  }
  sample.rig.files.PutDurable(PathOf("cursor.tmp"), "x");
  ASSERT_THAT(sample.rig.Open(), IsOk());
  EXPECT_THAT(ReadLog(*sample.rig.log), IsOkAnd(Eq(sample.contents)));
  EXPECT_THAT(sample.rig.files.Names(kLogDir), Contains("notes.txt"));
  EXPECT_THAT(sample.rig.files.Names(kLogDir), ::testing::Not(Contains("cursor.tmp")));
}

TEST(LogRecovery, LetsAnEmptyFileWithASegmentsNameSupersedeNothing) {
  Sample sample(Ending::kClosed);
  sample.rig.files.PutDurable(PathOf(SegmentName({.sequence = 50, .base = 1})), "");
  sample.rig.files.PutDurable(PathOf(SegmentName({.sequence = 51, .base = 1})),
                              std::string(64, '\0'));
  ASSERT_THAT(sample.rig.Open(), IsOk());
  EXPECT_THAT(ReadLog(*sample.rig.log), IsOkAnd(Eq(sample.contents)));
  EXPECT_THAT(AppendAndWait(*sample.rig.log, "h", "b"), IsOkAnd(Gt(3U)));
}

TEST(LogRecovery, SaysWhereItsFolderCannotBeUsed) {
  LogRig rig;
  rig.files.PutDurable("/data/log", "a file");
  EXPECT_THAT(rig.Open(), IsError(ErrorKind::kInvalid));
  rig.options.dir = "/data/log/under";
  EXPECT_THAT(rig.Open(), IsError(ErrorKind::kInvalid));
}

TEST(LogFormat, NamesAreParsedOnlyAsTheyAreWritten) {
  const SegmentId id{.sequence = 7, .base = 123};
  EXPECT_EQ(SegmentName(id), "00000000000000000007-00000000000000000123.seg");
  EXPECT_EQ(ParseSegmentName(SegmentName(id)), id);
  const SegmentId largest{.sequence = ~0ULL, .base = ~0ULL};
  EXPECT_EQ(ParseSegmentName(SegmentName(largest)), largest);
  for (const char* name : {"", ".seg", "00000000000000000007_00000000000000000123.seg",
                           "00000000000000000007-00000000000000000123.sem",
                           "-0000000000000000007-00000000000000000123.seg",
                           "0000000000000000000x-00000000000000000123.seg",
                           "00000000000000000007-99999999999999999999.seg",
                           "00000000000000000007-00000000000000000123.seg ",
                           " 0000000000000000007-00000000000000000123.seg"}) {
    EXPECT_EQ(ParseSegmentName(name), std::nullopt) << name;
  }
}

TEST(LogFormat, DecodesWhatItEncodedAndNothingElse) {
  SegmentHeader segment{
      .uuid = {1, 2, 3}, .id = {.sequence = 4, .base = 5}, .previous = 6, .source = {7}};
  const auto segment_bytes = EncodeSegmentHeader(segment);
  EXPECT_EQ(DecodeSegmentHeader(segment_bytes), segment);
  EXPECT_EQ(DecodeSegmentHeader(std::span(segment_bytes).first(79)), std::nullopt);
  segment.bytes = kSegmentHeaderBytesV1;
  const auto v1_bytes = EncodeSegmentHeader(segment);
  segment.source = segment.uuid;
  EXPECT_EQ(DecodeSegmentHeader(v1_bytes), segment);
  EXPECT_EQ(DecodeSegmentHeader(std::span(v1_bytes).first(63)), std::nullopt);
  const FrameHeader frame{.type = FrameType::kEnd,
                          .position = 9,
                          .header_bytes = 1,
                          .body_bytes = 2,
                          .content_checksum = 3};
  const auto bytes = EncodeFrameHeader(frame, 77, 1000);
  EXPECT_EQ(DecodeFrameHeader(bytes, 77, 1000), frame);
  EXPECT_EQ(DecodeFrameHeader(bytes, 78, 1000), std::nullopt);
  EXPECT_EQ(DecodeFrameHeader(bytes, 77, 1001), std::nullopt);
  EXPECT_EQ(DecodeFrameHeader(std::span(bytes).first(39), 77, 1000), std::nullopt);
  for (const int type : {0, 4, 255}) {
    const auto unknown = EncodeFrameHeader({.type = static_cast<FrameType>(type)}, 77, 1000);
    EXPECT_EQ(DecodeFrameHeader(unknown, 77, 1000), std::nullopt);
  }
  const StateFile state{.kind = StateKind::kCursor, .uuid = {8}, .value = 12};
  EXPECT_EQ(DecodeStateFile(EncodeStateFile(state), StateKind::kCursor), state);
  EXPECT_EQ(DecodeStateFile(EncodeStateFile(state), StateKind::kIdentity), std::nullopt);
  const IdentityFile identity{.log = {1},
                              .lock = {.device = 2, .inode = 3, .born_ns = 4},
                              .identities = {{.uuid = {5}, .first = 6}, {.uuid = {7}, .first = 8}}};
  auto identity_bytes = EncodeIdentityFile(identity);
  EXPECT_EQ(DecodeIdentityFile(identity_bytes), identity);
  for (std::size_t size = 0; size < identity_bytes.size(); ++size)
    EXPECT_EQ(DecodeIdentityFile(std::span(identity_bytes).first(size)), std::nullopt) << size;
  identity_bytes.push_back({});
  EXPECT_EQ(DecodeIdentityFile(identity_bytes), std::nullopt);
}

TEST(LogFormat, TellsHeaderFromBody) {
  const std::string_view text = "abcd";
  const auto body = [&](std::size_t from) { return std::as_bytes(std::span(text)).subspan(from); };
  EXPECT_NE(ContentChecksum(1, text.substr(0, 1), body(1)),
            ContentChecksum(1, text.substr(0, 2), body(2)));
  EXPECT_NE(ContentChecksum(1, text, body(4)), ContentChecksum(2, text, body(4)));
}

}  // namespace
}  // namespace signaldb
