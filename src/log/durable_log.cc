#include "log/durable_log.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "log/recovery.h"
#include "log/segment_writer.h"
#include "log/state_file.h"

namespace signaldb {
namespace {

constexpr std::string_view kModule = "log";
constexpr std::string_view kLockFileName = "lock";
/// Sizes stand in 32-bit fields, and a segment grows past its limit by one group.
constexpr std::uint64_t kSizeMax = 1ULL << 30;
/// A group is closed once it holds this much, so that the first of it need not wait for all.
constexpr std::uint64_t kGroupBytesMax = 32ULL << 20;
/// Tries to write one group, each into a segment of its own after the first.
constexpr int kWriteAttempts = 2;
/// Segments left behind without a record, by a disk that fails again and again.
constexpr std::size_t kEmptySegmentsMax = 64;

[[nodiscard]] double Seconds(Nanos time) { return std::chrono::duration<double>(time).count(); }

/// A record that waits for its turn.
struct Waiting {
  LogRecord record;
  DurableLog::OnDurable on_durable;
  std::uint64_t content_checksum = 0;
  Nanos since{0};
  Position position = 0;

  [[nodiscard]] std::uint64_t record_bytes() const {
    return record.header.size() + record.body.size();
  }
};

/// Pseudo-code of the thread, see README.md:
///
///   for each group of what waits (while unhealthy, now and then a new segment without a group):
///     give positions; twice at most:
///       open a segment if there is none or it is full      (file, header, fsync, folder fsync)
///       write all frames in one pass; fsync
///       success: answer each in order; next group
///       failure: never touch this file again; the next one begins at the same first position
///     both failed: answer each with the error; the positions are not used again
class SegmentedLog final : public DurableLog {
 public:
  SegmentedLog(FileSystem& files, Clock& clock, Random& random, EventListener& events,
               DurableLogOptions options, std::unique_ptr<FileLock> lock)
      : files_(files),
        clock_(clock),
        random_(random),
        events_(events),
        options_(std::move(options)),
        lock_(std::move(lock)) {}
  ~SegmentedLog() override { Close(); }

  void Start(RecoveredLog recovered);

  void Append(LogRecord record, OnDurable on_durable) override;
  [[nodiscard]] Status Replay(Position from, const OnRecord& on_record) override;
  [[nodiscard]] Status Trim(Position position) override;
  [[nodiscard]] Status ReleaseBetween(std::span<const Position> held, Position seen) override;
  void Close() override;

  [[nodiscard]] std::vector<LogIdentity> identities() const override {
    const std::scoped_lock lock(identity_mutex_);
    return identities_;
  }
  [[nodiscard]] Uuid uuid_of(Position position) const override {
    const std::scoped_lock lock(identity_mutex_);
    return IdentityOf(identities_, position).uuid;
  }
  [[nodiscard]] Uuid uuid() const override {
    const std::scoped_lock lock(identity_mutex_);
    return identities_.back().uuid;
  }
  [[nodiscard]] Result<Uuid> TakeNewIdentity(std::string_view why) override;
  [[nodiscard]] Position trimmed() const override { return trimmed_; }
  [[nodiscard]] Position last_durable() const override { return last_durable_; }
  [[nodiscard]] std::uint64_t bytes_on_disk() const override { return bytes_on_disk_; }
  [[nodiscard]] const RecoveryReport& recovery() const override { return report_; }
  [[nodiscard]] bool healthy() const override { return healthy_; }
  [[nodiscard]] std::string trouble() const override {
    const std::scoped_lock lock(mutex_);
    return trouble_;
  }

 private:
  using Group = std::vector<Waiting>;

  /// Why a record is refused at once, or nothing.
  struct Refusal {
    ErrorKind kind;
    std::string_view reason;  ///< Label of the metric.
    std::string message;
  };
  [[nodiscard]] std::optional<Refusal> WhyRefuse(std::uint64_t record_bytes) const;
  /// Moves from `waiting` unless it is refused.
  [[nodiscard]] std::optional<Refusal> TakeIn(Waiting& waiting);
  void Refuse(const Refusal& refusal, OnDurable on_durable);
  [[nodiscard]] std::uint64_t record_bytes_max() const;

  struct Turn {
    Group group;  ///< What waits, up to kGroupBytesMax.
    bool change_segment = false;
  };
  void Run();
  /// Neither of both: time to look around. Nothing at the end.
  [[nodiscard]] std::optional<Turn> TakeTurn();
  void CommitGroup(Group group);
  [[nodiscard]] Status WriteGroup(const Group& group);
  [[nodiscard]] Status TryWriteGroup(const std::vector<FrameToWrite>& frames);
  void AnswerGroup(Group group, const Status& written);
  void MarkEnd();

  /// That the folder which our handles are in is the one that paths lead to: else what we write
  /// is nowhere, or in what belongs to somebody else. Errors: kUnavailable.
  [[nodiscard]] Status CheckPlace();
  /// Makes the identities durable; the one that is to be written under. Errors: kUnavailable.
  [[nodiscard]] Result<Uuid> SettledIdentity();
  [[nodiscard]] Status OpenSegment();
  /// Removes what failed openings left behind; an error once there is too much of it.
  [[nodiscard]] Status RemoveEmpty();
  /// Moves the active segment, if there is one, among the sealed ones; its file for those who need
  /// it.
  std::optional<SegmentWriter> SealActive();
  void AbandonActive();
  void SetActiveBytes(std::uint64_t bytes);
  void SetHealthy(const Status& status);

  /// Removes sealed segments that hold nothing past `trimmed_`, from whatever thread.
  [[nodiscard]] Status RemoveTrimmed();
  void AddBytesOnDisk(std::uint64_t more, std::uint64_t less);

  FileSystem& files_;
  Clock& clock_;
  Random& random_;
  EventListener& events_;
  const DurableLogOptions options_;
  std::unique_ptr<FileLock> lock_;
  Uuid uuid_{};
  RecoveryReport report_;

  std::atomic<Position> trimmed_{0};
  std::atomic<Position> last_durable_{0};
  std::atomic<std::uint64_t> bytes_on_disk_{0};
  std::atomic<bool> healthy_{true};
  std::atomic<bool> appended_{false};

  mutable std::mutex identity_mutex_;  ///< Guards both, and the writing of their file.
  std::vector<LogIdentity> identities_;
  std::atomic<bool> identity_changed_{false};  ///< Not durable yet: nothing may be appended.

  mutable std::mutex mutex_;  ///< Guards from here to the next comment. Held for no I/O.
  std::condition_variable wake_;
  std::deque<Waiting> waiting_;
  std::uint64_t waiting_count_ = 0;  ///< Those being written included.
  std::uint64_t waiting_bytes_ = 0;
  bool closing_ = false;
  bool change_segment_ = false;
  std::string trouble_;
  std::deque<SealedSegment> sealed_;
  bool has_active_ = false;
  std::uint64_t active_bytes_ = 0;
  std::string active_path_;
  SegmentId active_id_;

  /// Confined to the log's thread once it runs.
  std::optional<SegmentWriter> active_;
  std::uint64_t next_sequence_ = 1;
  Position next_position_ = 1;
  Position floor_ = 1;  ///< First position that the next segment may hold; all below are durable
                        ///< elsewhere or void.

  std::mutex trim_mutex_;  ///< One trim at a time. Taken before mutex_.
  std::mutex close_mutex_;
  std::jthread thread_;
};

void SegmentedLog::Start(RecoveredLog recovered) {
  uuid_ = recovered.uuid;
  identities_ = recovered.identities;
  identity_changed_ = recovered.identity_changed;
  trimmed_ = recovered.trimmed;
  last_durable_ = recovered.last;
  next_sequence_ = recovered.next_sequence;
  next_position_ = recovered.next;
  floor_ = recovered.next;
  // The new segment comes before any repair: its name remembers the positions that a torn tail may
  // have used. If the disk takes nothing now, the log can still be replayed and trimmed.
  const Status opened = OpenSegment();
  SetHealthy(opened);
  if (opened.has_value()) RepairLog(files_, events_, options_.dir, recovered);
  report_ = std::move(recovered.report);
  {
    const std::scoped_lock lock(mutex_);
    sealed_.insert(sealed_.begin(), recovered.segments.begin(), recovered.segments.end());
    for (const SealedSegment& segment : recovered.segments) bytes_on_disk_ += segment.bytes;
  }
  AddBytesOnDisk(0, 0);
  events_.Gauge("signaldb_writer_log_bytes_max", static_cast<double>(options_.bytes_max));
  // What cannot be removed now is tried again by the next Trim.
  [[maybe_unused]] const Status removed = RemoveTrimmed();
  thread_ = std::jthread([this] { Run(); });
}

std::uint64_t SegmentedLog::record_bytes_max() const {
  // A record that could never be taken in must not be told to come again.
  return std::min({options_.record_bytes_max, options_.pending_bytes_max, options_.bytes_max / 2});
}

std::optional<SegmentedLog::Refusal> SegmentedLog::WhyRefuse(std::uint64_t record_bytes) const {
  if (record_bytes > record_bytes_max()) {
    return Refusal{
        ErrorKind::kInvalid, "too_long",
        fmt::format("record is longer than the log takes, send less at once bytes={} bytes_max={}",
                    record_bytes, record_bytes_max())};
  }
  if (closing_) return Refusal{ErrorKind::kUnavailable, "closed", "the log is closed, try again"};
  if (waiting_bytes_ + record_bytes > options_.pending_bytes_max) {
    return Refusal{
        ErrorKind::kUnavailable, "pending",
        fmt::format("too many bytes wait for the log's disk, try again later bytes={} bytes_max={}",
                    waiting_bytes_, options_.pending_bytes_max)};
  }
  const std::uint64_t to_come =
      waiting_bytes_ + record_bytes + (waiting_count_ + 1) * kFrameHeaderBytes;
  if (bytes_on_disk_ + to_come > options_.bytes_max) {
    return Refusal{
        ErrorKind::kUnavailable, "full",
        fmt::format(
            "the log is full until its records are committed to the tables, try again later "
            "bytes={} bytes_max={}",
            bytes_on_disk_.load(), options_.bytes_max)};
  }
  return std::nullopt;
}

void SegmentedLog::Refuse(const Refusal& refusal, OnDurable on_durable) {
  events_.Count("signaldb_writer_log_append_errors_total", 1, {{"reason", refusal.reason}});
  on_durable(Fail(refusal.kind, refusal.message));
}

Result<Uuid> SegmentedLog::TakeNewIdentity(std::string_view why) {
  SIGNALDB_ASSERT(!appended_);
  const std::scoped_lock identity_lock(identity_mutex_);
  SIGNALDB_TRY(BeginIdentity(random_, events_, options_.dir, why, last_durable_, identities_));
  identity_changed_ = true;
  {
    const std::scoped_lock lock(mutex_);
    change_segment_ = true;  // Rather now than with the first group.
  }
  wake_.notify_one();
  return identities_.back().uuid;
}

void SegmentedLog::Append(LogRecord record, OnDurable on_durable) {
  appended_ = true;
  Waiting waiting{.record = std::move(record),
                  .on_durable = std::move(on_durable),
                  .since = clock_.MonotonicNow()};
  const std::uint64_t bytes = waiting.record_bytes();
  // On the caller's thread: many callers sum up in parallel, while the bytes are in their caches.
  if (bytes <= record_bytes_max()) {
    waiting.content_checksum =
        ContentChecksum(ContentSeed(uuid_), waiting.record.header, waiting.record.body);
  }
  const std::optional<Refusal> refusal = TakeIn(waiting);
  if (refusal.has_value()) return Refuse(*refusal, std::move(waiting.on_durable));
  wake_.notify_one();
}

std::optional<SegmentedLog::Refusal> SegmentedLog::TakeIn(Waiting& waiting) {
  const std::uint64_t bytes = waiting.record_bytes();
  const std::scoped_lock lock(mutex_);
  std::optional<Refusal> refusal = WhyRefuse(bytes);
  if (refusal.has_value()) return refusal;
  waiting_bytes_ += bytes;
  ++waiting_count_;
  waiting_.push_back(std::move(waiting));
  return std::nullopt;
}

void SegmentedLog::Run() {
  while (auto turn = TakeTurn()) {
    if (!turn->group.empty()) {
      CommitGroup(std::move(turn->group));
    } else if (!turn->change_segment) {
      if (const Status place = CheckPlace(); !place.has_value()) SetHealthy(place);
    } else {
      const Status opened = OpenSegment();
      SetHealthy(opened);
      if (opened.has_value()) {
        [[maybe_unused]] const Status removed = RemoveTrimmed();  // else by the next Trim
      }
    }
  }
  MarkEnd();
}

std::optional<SegmentedLog::Turn> SegmentedLog::TakeTurn() {
  std::unique_lock lock(mutex_);
  const auto called = [this] { return !waiting_.empty() || closing_ || change_segment_; };
  const bool idle = !wake_.wait_for(lock, options_.mend_interval, called);
  if (idle && !healthy_) change_segment_ = true;
  Turn turn;
  std::uint64_t bytes = 0;
  while (!waiting_.empty() &&
         (turn.group.empty() || bytes + waiting_.front().record_bytes() <= kGroupBytesMax)) {
    bytes += waiting_.front().record_bytes();
    turn.group.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  if (turn.group.empty()) turn.change_segment = std::exchange(change_segment_, false);
  if (turn.group.empty() && !turn.change_segment && !idle) return std::nullopt;
  return turn;
}

void SegmentedLog::CommitGroup(Group group) {
  for (Waiting& waiting : group) waiting.position = next_position_++;
  const Status written = WriteGroup(group);
  if (written.has_value()) {
    last_durable_ = group.back().position;
    floor_ = next_position_;
  }
  SetHealthy(written);
  AnswerGroup(std::move(group), written);
}

Status SegmentedLog::WriteGroup(const Group& group) {
  std::vector<FrameToWrite> frames;
  frames.reserve(group.size());
  for (const Waiting& waiting : group) {
    frames.push_back(
        {.frame = {.type = FrameType::kRecord,
                   .position = waiting.position,
                   .header_bytes = static_cast<std::uint32_t>(waiting.record.header.size()),
                   .body_bytes = static_cast<std::uint32_t>(waiting.record.body.size()),
                   .content_checksum = waiting.content_checksum},
         .header = waiting.record.header,
         .body = waiting.record.body});
  }
  Status written;
  for (int attempt = 0; attempt < kWriteAttempts; ++attempt) {
    written = TryWriteGroup(frames);
    if (written.has_value()) return written;
    AbandonActive();
  }
  return written;
}

Status SegmentedLog::TryWriteGroup(const std::vector<FrameToWrite>& frames) {
  if (!active_.has_value() || active_->durable_bytes() >= options_.segment_bytes ||
      identity_changed_) {
    SIGNALDB_TRY(OpenSegment());
  }
  SIGNALDB_ASSERT(active_.has_value());
  SIGNALDB_TRY(active_->Write(frames));
  const Nanos start = clock_.MonotonicNow();
  SIGNALDB_TRY(active_->Sync());
  events_.Observe("signaldb_writer_log_fsync_duration_seconds",
                  Seconds(clock_.MonotonicNow() - start));
  SetActiveBytes(active_->durable_bytes());
  return CheckPlace();
}

Status SegmentedLog::CheckPlace() {
  const std::string path = fmt::format("{}/{}", options_.dir, kLockFileName);
  const auto entry = files_.Stat(path);
  // What cannot be looked at is not known to be gone; writing fails by itself if it has to.
  if (!entry.has_value()) return {};
  const std::optional<DirEntry>& found = *entry;
  if (found.has_value() && found->id == lock_->id()) return {};
  return Fail(ErrorKind::kUnavailable,
              fmt::format("the log's folder was removed or replaced while in use, put it back or "
                          "start again (what was taken in is committed before the end) path={}",
                          path));
}

Result<Uuid> SegmentedLog::SettledIdentity() {
  const std::scoped_lock lock(identity_mutex_);
  if (identity_changed_) {
    SIGNALDB_TRY(ReplaceFile(
        files_, fmt::format("{}/{}", options_.dir, kIdentityFileName),
        EncodeIdentityFile({.log = uuid_, .lock = lock_->id(), .identities = identities_})));
    identity_changed_ = false;
  }
  return identities_.back().uuid;
}

void SegmentedLog::AnswerGroup(Group group, const Status& written) {
  const Nanos now = clock_.MonotonicNow();
  events_.Observe("signaldb_writer_log_group_requests", static_cast<double>(group.size()));
  {
    // Before the answers: whoever hears one may append again at once.
    const std::scoped_lock lock(mutex_);
    for (const Waiting& waiting : group) waiting_bytes_ -= waiting.record_bytes();
    waiting_count_ -= group.size();
  }
  for (Waiting& waiting : group) {
    if (written.has_value()) {
      events_.Observe("signaldb_writer_log_append_duration_seconds", Seconds(now - waiting.since));
      waiting.on_durable(waiting.position);
    } else {
      events_.Count("signaldb_writer_log_append_errors_total", 1, {{"reason", "io"}});
      waiting.on_durable(std::unexpected(written.error()));
    }
  }
}

void SegmentedLog::MarkEnd() {
  if (!active_.has_value() || active_->durable_bytes() == kSegmentHeaderBytes) return;
  // Only makes a later look at the tail more certain; without it the tail counts as possibly torn.
  const FrameToWrite mark{
      .frame = {.type = FrameType::kEnd, .position = last_durable_}, .header = {}, .body = {}};
  Status marked = active_->Write({&mark, 1});
  if (marked.has_value()) marked = active_->Sync();
  if (!marked.has_value()) {
    AbandonActive();
  } else {
    SetActiveBytes(active_->durable_bytes());
  }
}

Status SegmentedLog::OpenSegment() {
  SIGNALDB_TRY(CheckPlace());
  SIGNALDB_ASSIGN(const Uuid source, SettledIdentity());
  const SegmentHeader header{.uuid = uuid_,
                             .id = {.sequence = next_sequence_, .base = floor_},
                             .previous = last_durable_,
                             .source = source};
  SIGNALDB_TRY(RemoveEmpty());
  ++next_sequence_;
  SealActive();
  auto created = SegmentWriter::Create(files_, options_.dir, header);
  if (!created.has_value()) {
    const std::string path = fmt::format("{}/{}", options_.dir, SegmentName(header.id));
    const Status removed = files_.Remove(path);
    if (!removed.has_value() && removed.error().kind != ErrorKind::kNotFound) {
      const std::scoped_lock lock(mutex_);
      sealed_.push_back({.id = header.id, .path = path, .limit = floor_});
    }
    return std::unexpected(std::move(created).error());
  }
  active_.emplace(*std::move(created));
  const std::scoped_lock lock(mutex_);
  has_active_ = true;
  active_id_ = active_->id();
  active_path_ = active_->path();
  active_bytes_ = active_->durable_bytes();
  AddBytesOnDisk(active_bytes_, 0);
  return {};
}

Status SegmentedLog::RemoveEmpty() {
  const auto count_empty = [this] {
    const std::scoped_lock lock(mutex_);
    return static_cast<std::size_t>(std::ranges::count(sealed_, Position{0}, &SealedSegment::last));
  };
  if (count_empty() == 0) return {};
  const Status removed = RemoveTrimmed();
  if (count_empty() < kEmptySegmentsMax) return {};
  return Fail(ErrorKind::kUnavailable,
              fmt::format("too many segments could not be finished, check the disk: {} dir={}",
                          removed.has_value() ? "" : removed.error().message, options_.dir));
}

std::optional<SegmentWriter> SegmentedLog::SealActive() {
  if (!active_.has_value()) return std::nullopt;
  const std::scoped_lock lock(mutex_);
  sealed_.push_back({.id = active_->id(),
                     .path = active_->path(),
                     .bytes = active_bytes_,
                     .last = active_bytes_ > kSegmentHeaderBytes ? last_durable_.load() : 0,
                     .limit = floor_});
  has_active_ = false;
  active_bytes_ = 0;
  return std::exchange(active_, std::nullopt);
}

void SegmentedLog::AbandonActive() {
  if (auto failed = SealActive(); failed.has_value()) std::move(*failed).Abandon();
}

void SegmentedLog::SetActiveBytes(std::uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  AddBytesOnDisk(bytes, active_bytes_);
  active_bytes_ = bytes;
}

void SegmentedLog::AddBytesOnDisk(std::uint64_t more, std::uint64_t less) {
  bytes_on_disk_ += more;
  bytes_on_disk_ -= less;
  events_.Gauge("signaldb_writer_log_bytes", static_cast<double>(bytes_on_disk_.load()));
}

void SegmentedLog::SetHealthy(const Status& status) {
  {
    const std::scoped_lock lock(mutex_);
    trouble_ = status.has_value() ? "" : status.error().message;
  }
  const bool was = healthy_.exchange(status.has_value());
  if (was == status.has_value()) return;
  if (status.has_value()) {
    events_.Log({.severity = Severity::kInfo,
                 .module = kModule,
                 .message = "the log can be written again",
                 .fields = {{"dir", options_.dir}}});
  } else {
    events_.Log({.severity = Severity::kError,
                 .module = kModule,
                 .message = "the log cannot be written, appends are refused until it can",
                 .fields = {{"dir", options_.dir}, {"error", status.error().message}}});
  }
}

Status SegmentedLog::Replay(Position from, const OnRecord& on_record) {
  std::vector<SealedSegment> segments;
  const Position to = last_durable_;
  {
    const std::scoped_lock lock(mutex_);
    segments.assign(sealed_.begin(), sealed_.end());
    if (has_active_) {
      segments.push_back({.id = active_id_,
                          .path = active_path_,
                          .bytes = active_bytes_,
                          .last = to,
                          .limit = to + 1});
    }
  }
  for (const SealedSegment& segment : segments) {
    if (segment.last < from || segment.last == 0) continue;
    auto file = files_.Open(segment.path, OpenMode::kRead);
    if (!file.has_value()) {
      // Trimmed since the list was taken: these records are in the tables.
      if (file.error().kind == ErrorKind::kNotFound && segment.last <= trimmed_) continue;
      return Fail(ErrorKind::kUnavailable, std::move(file).error().message);
    }
    SIGNALDB_ASSIGN(SegmentReader reader, SegmentReader::Make(**file, uuid_, segment.id));
    while (true) {
      SIGNALDB_ASSIGN(const SegmentItem item, reader.Next());
      if (item.kind == SegmentItem::Kind::kEnd) break;
      if (item.kind != SegmentItem::Kind::kRecord || item.position < from) continue;
      if (item.position >= segment.limit || item.position > to) break;
      SIGNALDB_TRY(on_record(item.position, item.header, item.body));
    }
  }
  return {};
}

Status SegmentedLog::Trim(Position position) {
  const std::scoped_lock trim_lock(trim_mutex_);
  // In a folder of somebody else this would forget what they have.
  SIGNALDB_TRY(CheckPlace());
  position = std::min(position, last_durable_.load());
  if (position > trimmed_) {
    SIGNALDB_TRY(ReplaceFile(
        files_, fmt::format("{}/{}", options_.dir, kCursorFileName),
        EncodeStateFile({.kind = StateKind::kCursor, .uuid = uuid_, .value = position})));
    trimmed_ = position;
    const std::scoped_lock lock(identity_mutex_);
    RetireIdentities(identities_, position);
  }
  SIGNALDB_TRY(RemoveTrimmed());
  {
    const std::scoped_lock lock(mutex_);
    const bool all_trimmed = position == last_durable_ && active_bytes_ > kSegmentHeaderBytes;
    // Else the segment being written would hold its room for ever, and block a log that is nearly
    // full.
    if (!all_trimmed || active_bytes_ < std::min(options_.segment_bytes, options_.bytes_max / 4))
      return {};
    change_segment_ = true;
  }
  wake_.notify_one();
  return {};
}

// Emptied, not removed: a segment supersedes, in those before it, records that were written again.
Status SegmentedLog::ReleaseBetween(std::span<const Position> held, Position seen) {
  const std::scoped_lock trim_lock(trim_mutex_);
  std::vector<SealedSegment> released;
  {
    const std::scoped_lock lock(mutex_);
    // The newest with records stays: no other says how far positions are used.
    const auto newest = std::ranges::max_element(sealed_, {}, &SealedSegment::last);
    for (const SealedSegment& segment : sealed_) {
      if (segment.id == newest->id || segment.last > seen) continue;
      if (segment.bytes <= segment.header_bytes) continue;
      const auto first_held = std::ranges::lower_bound(held, segment.id.base);
      if (first_held == held.end() || *first_held > segment.last) released.push_back(segment);
    }
  }
  if (released.empty()) return {};
  SIGNALDB_TRY(CheckPlace());
  for (const SealedSegment& segment : released) {
    auto file = files_.Open(segment.path, OpenMode::kWrite);
    // Trimmed meanwhile.
    if (!file.has_value() && file.error().kind == ErrorKind::kNotFound) continue;
    if (!file.has_value()) return Fail(ErrorKind::kUnavailable, std::move(file).error().message);
    // Not synced: a record that comes back is in the tables.
    SIGNALDB_TRY((*file)->Truncate(segment.header_bytes));
    const std::scoped_lock lock(mutex_);
    const auto found = std::ranges::find(sealed_, segment.id, &SealedSegment::id);
    if (found == sealed_.end()) continue;
    AddBytesOnDisk(found->header_bytes, found->bytes);
    found->bytes = found->header_bytes;
  }
  return {};
}

Status SegmentedLog::RemoveTrimmed() {
  std::vector<SealedSegment> removable;
  {
    const std::scoped_lock lock(mutex_);
    // The newest one stays in any case: its name says which positions are used. One without bytes
    // may not exist.
    const auto newest = std::ranges::find_if(sealed_.rbegin(), sealed_.rend(),
                                             [](const SealedSegment& s) { return s.bytes > 0; });
    for (const SealedSegment& segment : sealed_) {
      if (!has_active_ && newest != sealed_.rend() && segment.id == newest->id) continue;
      if (segment.last <= trimmed_) removable.push_back(segment);
    }
  }
  if (!removable.empty()) SIGNALDB_TRY(CheckPlace());
  Status result;
  // Not synced: a segment that comes back is below the cursor.
  for (const SealedSegment& segment : removable) {
    Status removed = files_.Remove(segment.path);
    if (!removed.has_value() && removed.error().kind != ErrorKind::kNotFound) {
      if (result.has_value())
        result = Fail(ErrorKind::kUnavailable, std::move(removed).error().message);
      continue;
    }
    const std::scoped_lock lock(mutex_);
    // Another thread may have removed it meanwhile.
    if (std::erase_if(sealed_, [&](const SealedSegment& s) { return s.id == segment.id; }) == 0)
      continue;
    AddBytesOnDisk(0, segment.bytes);
  }
  return result;
}

void SegmentedLog::Close() {
  const std::scoped_lock close_lock(close_mutex_);
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

[[nodiscard]] Status Validate(const DurableLogOptions& options) {
  const auto require = [&](bool holds, std::string_view what) -> Status {
    if (holds) return {};
    return Fail(ErrorKind::kInvalid, fmt::format("{} dir={}", what, options.dir));
  };
  SIGNALDB_TRY(require(options.dir.starts_with('/'), "the log's folder must be an absolute path"));
  SIGNALDB_TRY(require(options.segment_bytes > 0 && options.segment_bytes <= kSizeMax,
                       "segment_bytes must be between 1 and 1 GiB"));
  SIGNALDB_TRY(require(options.record_bytes_max > 0 && options.record_bytes_max <= kSizeMax,
                       "record_bytes_max must be between 1 and 1 GiB"));
  SIGNALDB_TRY(require(options.bytes_max > 0, "bytes_max must be positive"));
  return require(options.pending_bytes_max > 0, "pending_bytes_max must be positive");
}

}  // namespace

Result<std::unique_ptr<DurableLog>> DurableLog::Open(FileSystem& files, Clock& clock,
                                                     Random& random, EventListener& events,
                                                     DurableLogOptions options) {
  SIGNALDB_TRY(Validate(options));
  SIGNALDB_TRY(files.MakeDirs(options.dir));
  SIGNALDB_ASSIGN(auto lock, files.Lock(fmt::format("{}/{}", options.dir, kLockFileName)));
  SIGNALDB_ASSIGN(RecoveredLog recovered,
                  RecoverLog(files, random, events, options.dir, lock->id()));
  auto log = std::make_unique<SegmentedLog>(files, clock, random, events, std::move(options),
                                            std::move(lock));
  log->Start(std::move(recovered));
  return log;
}

}  // namespace signaldb
