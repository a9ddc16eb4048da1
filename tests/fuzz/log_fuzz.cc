// The folder of a durable log, after whatever happened to it: the input is a list of changes to
// files.
//
// The log has to open or say kCorrupt, give back only records that were written, hand out only new
// positions, and find the same again at the next start. Where frames are forged (right checksum,
// wrong content), no record can be told from a real one, but all the rest holds.

#include <algorithm>
#include <array>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "fuzz/fuzz_input.h"
#include "fuzz/fuzz_target.h"
#include "log/durable_log.h"
#include "log/format.h"
#include "testing/fake_clock.h"
#include "testing/sim_file_system.h"

namespace signaldb::testing {
namespace {

constexpr const char* kDir = "/log";
constexpr int kChangesMax = 16;
constexpr std::size_t kFileBytesMax = 1 << 16;

using Records = std::map<Position, std::string>;

std::string PathOf(const std::string& name) { return fmt::format("{}/{}", kDir, name); }

std::string_view Text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A log on a simulated disk.
class Rig {
 public:
  Rig() = default;

  [[nodiscard]] Status Open() {
    auto opened = DurableLog::Open(
        files, clock_, random_, events_,
        {.dir = kDir, .segment_bytes = 512, .bytes_max = 1 << 22, .record_bytes_max = 1 << 16});
    if (!opened.has_value()) return std::unexpected(std::move(opened).error());
    log = *std::move(opened);
    return {};
  }
  [[nodiscard]] Position Append(const std::string& header, const std::string& body) {
    std::promise<Result<Position>> answer;
    auto answered = answer.get_future();
    log->Append({.header = header, .body = std::as_bytes(std::span(body))},
                [&](Result<Position> result) { answer.set_value(std::move(result)); });
    const Result<Position> position = answered.get();
    SIGNALDB_ASSERT(position.has_value());
    return *position;
  }
  /// What is not trimmed; the rest may go at any time.
  [[nodiscard]] Records Read() const {
    Records records;
    const Status replayed = log->Replay(
        log->trimmed() + 1,
        [&](Position position, std::string_view header, std::span<const std::byte> body) -> Status {
          SIGNALDB_ASSERT(records.empty() || position > records.rbegin()->first);
          records[position] = fmt::format("{}|{}", header, Text(body));
          return {};
        });
    SIGNALDB_ASSERT(replayed.has_value());
    return records;
  }

  SimFileSystem files;
  std::unique_ptr<DurableLog> log;

 private:
  FakeClock clock_;
  SeededRandom random_{1};
  NullEventListener events_;
};

/// A log of several segments, one of them closed in good order, as bytes.
struct Original {
  Original() {
    Rig rig;
    SIGNALDB_ASSERT(rig.Open().has_value());
    for (int i = 0; i < 9; ++i) {
      if (i == 4) {
        rig.log.reset();
        SIGNALDB_ASSERT(rig.Open().has_value());
      }
      const std::string body(static_cast<std::size_t>(i) * 31, static_cast<char>('a' + i));
      const Position position = rig.Append(fmt::format("head {}", i), body);
      records[position] = fmt::format("head {}|{}", i, body);
      if (i == 1) SIGNALDB_ASSERT(rig.log->Trim(position).has_value());
    }
    uuid = rig.log->uuid();
    for (const std::string& name : rig.files.Names(kDir)) {
      const auto bytes = rig.files.ReadWhole(PathOf(name));
      if (bytes.has_value()) files.emplace_back(name, *bytes);
    }
    rig.log.reset();
  }

  std::vector<std::pair<std::string, std::string>> files;
  Records records;
  Uuid uuid{};
};

const Original& TheOriginal() {
  static const Original original;
  return original;
}

enum class Change : std::uint8_t {
  kOverwrite,
  kTruncate,
  kAppend,
  kZero,
  kRepeat,
  kRemove,
  kSwap,
  kForge,
};

/// The files of the original while they are changed.
class Damage {
 public:
  explicit Damage(FuzzInput& in) : in_(in), files_(TheOriginal().files) {}

  void Apply() {
    for (int i = 0; i < kChangesMax && !in_.empty(); ++i) ApplyOne();
  }
  void Store(SimFileSystem& disk) const {
    for (const auto& [name, bytes] : files_) {
      if (!name.empty()) disk.PutDurable(PathOf(name), bytes);
    }
  }
  [[nodiscard]] bool forged() const { return forged_; }

 private:
  void ApplyOne() {
    auto& [name, bytes] = files_[in_.TakeBelow(files_.size())];
    const auto change = static_cast<Change>(in_.TakeBelow(8));
    const std::size_t at = in_.TakeBelow(bytes.size() + 1);
    const std::size_t size = in_.TakeByte();
    switch (change) {
      case Change::kOverwrite: {
        const std::string_view news = in_.TakeBytes(size);
        bytes.replace(at, news.size(), news);
        break;
      }
      case Change::kTruncate:
        bytes.resize(at);
        break;
      case Change::kAppend:
        bytes.append(in_.TakeBytes(size));
        break;
      case Change::kZero:
        bytes.replace(at, size, std::string(size, '\0'));
        break;
      case Change::kRepeat:
        bytes.insert(in_.TakeBelow(bytes.size() + 1), bytes.substr(at, size));
        break;
      case Change::kRemove:
        name.clear();
        break;
      case Change::kSwap:
        std::swap(bytes, files_[in_.TakeBelow(files_.size())].second);
        break;
      case Change::kForge:
        Forge(name, bytes, at);
        break;
    }
    if (bytes.size() > kFileBytesMax) bytes.resize(kFileBytesMax);
  }

  /// A frame with every checksum right and fields as the input wants them.
  void Forge(const std::string& name, std::string& bytes, std::size_t at) {
    const auto id = ParseSegmentName(name);
    if (!id.has_value()) return;
    const Uuid& uuid = TheOriginal().uuid;
    const std::string header(in_.TakeBytes(in_.TakeBelow(8)));
    const std::string body(in_.TakeBytes(in_.TakeBelow(64)));
    FrameHeader frame{.type = static_cast<FrameType>(1 + in_.TakeBelow(3)),
                      .position = in_.TakeBelow(64),
                      .header_bytes = static_cast<std::uint32_t>(header.size()),
                      .body_bytes = static_cast<std::uint32_t>(body.size())};
    if (in_.TakeByte() % 4 == 0) frame.body_bytes = static_cast<std::uint32_t>(in_.TakeBelow(~0U));
    frame.content_checksum =
        ContentChecksum(ContentSeed(uuid), header, std::as_bytes(std::span(body)));
    const auto encoded = EncodeFrameHeader(frame, SegmentSeed(uuid, *id), at);
    const std::string forged = std::string(Text(encoded)) + header + body;
    bytes.replace(at, forged.size(), forged);
    forged_ = true;
  }

  FuzzInput& in_;
  std::vector<std::pair<std::string, std::string>> files_;
  bool forged_ = false;
};

void CheckWasWritten(const Records& found) {
  const Records& written = TheOriginal().records;
  for (const auto& [position, text] : found) {
    const auto original = written.find(position);
    SIGNALDB_ASSERT(original != written.end());
    SIGNALDB_ASSERT(original->second == text);
  }
}

}  // namespace

void RunInput(std::string_view input) {
  FuzzInput in(input);
  Rig rig;
  Damage damage(in);
  damage.Apply();
  damage.Store(rig.files);
  if (const Status opened = rig.Open(); !opened.has_value()) {
    SIGNALDB_ASSERT(opened.error().kind == ErrorKind::kCorrupt);
    return;
  }
  Records found = rig.Read();
  if (!damage.forged()) CheckWasWritten(found);
  if (input.empty()) SIGNALDB_ASSERT(!found.empty());

  const Position fresh = rig.Append("new", "record");
  SIGNALDB_ASSERT(found.empty() || fresh > found.rbegin()->first);
  found[fresh] = "new|record";
  rig.log.reset();
  SIGNALDB_ASSERT(rig.Open().has_value());
  SIGNALDB_ASSERT(rig.Read() == found);
}

std::vector<std::string> SeedInputs() {
  // After the file and the change: where, how much, and what the change itself takes.
  constexpr std::string_view kRest{
      "\x01\x40\x05"
      "abcde\x00\x02\x02\x07\x01xx\x01y",
      17};
  std::vector<std::string> seeds = {std::string()};
  for (char file = 0; static_cast<std::size_t>(file) < TheOriginal().files.size(); ++file) {
    for (char change = 0; change < 8; ++change) {
      seeds.push_back(std::string{file, change} + std::string(kRest));
    }
  }
  return seeds;
}

}  // namespace signaldb::testing
