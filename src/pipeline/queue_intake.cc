#include "pipeline/queue_intake.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "pipeline/message_decoding.h"
#include "telemetry/dead_letter.h"

namespace signaldb {

namespace {

// Rows take about as much memory as their message, dictionaries and offsets included.
constexpr std::int64_t kRowsPerByte = 2;
// The largest message must find room some day, whatever it holds.
constexpr std::int64_t kBudgetDivisor = 4;
// Messages that wait for a letter together; each is a position that its queue keeps.
constexpr std::int64_t kWaitingMax = 100'000;

// What the parts of a lane's messages need.
struct Collaborators {
  const QueueIntakeOptions& options;
  CommitScheduler& scheduler;
  EventListener& events;
  MemoryBudget& budget;
  LetterAllowance& allowance;
};

using Destinations = std::vector<MessageDecoding::Destination>;

// Messages beyond the limits of their datasets, which become one letter a dataset.
//
// Threads: thread-compatible.
class WaitingMessages {
 public:
  void AddPart(const SourceMessage& message, std::size_t part, const std::string& reason,
               const MessageDecoding::Destination& destination) {
    const SourceMessage::Part& from = message.parts[part];
    const bool elsewhere = destination.refused.has_value();
    Many& many = datasets_
                     .try_emplace(destination.dataset,
                                  Many{.reason = reason,
                                       .for_tenant = elsewhere ? from.tenant : "",
                                       .for_dataset = elsewhere ? from.dataset : "",
                                       .letter = {.first_position = message.position,
                                                  .messages = 0,
                                                  .part = static_cast<std::int32_t>(part),
                                                  .signal = message.signal,
                                                  .encoding = message.encoding,
                                                  .received_at = message.received_at,
                                                  .reason = {},
                                                  .rejected_records = {},
                                                  .content = LetterContent::kNone,
                                                  .message = {}}})
                     .first->second;
    many.letter.position = std::max(many.letter.position, message.position);
    many.letter.first_position = std::min(many.letter.first_position, message.position);
    many.letter.message_bytes += static_cast<std::int64_t>(from.body.size());
    ++many.letter.messages;
  }
  void AddPosition(SourcePosition position) { positions_.push_back(position); }

  [[nodiscard]] bool empty() const { return positions_.empty(); }
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(positions_.size()); }
  [[nodiscard]] const std::vector<SourcePosition>& positions() const { return positions_; }

  [[nodiscard]] std::vector<std::pair<DatasetId, PartRows>> Letters(const SourceKey& source) const {
    std::vector<std::pair<DatasetId, PartRows>> letters;
    for (const auto& [dataset, many] : datasets_) {
      DeadLetter letter = many.letter;
      letter.source = source;
      letter.reason = many.reason;
      letter.for_tenant = many.for_tenant;
      letter.for_dataset = many.for_dataset;
      letters.emplace_back(dataset, MessageDecoding::LetterForMany(letter));
    }
    return letters;
  }

 private:
  struct Many {
    std::string reason;
    std::string for_tenant;
    std::string for_dataset;
    DeadLetter letter;  // Without its texts.
  };
  std::map<DatasetId, Many> datasets_;
  std::vector<SourcePosition> positions_;
};

class Lane final : public MessageLane {
 public:
  Lane(Collaborators with, std::function<Status(const LaneProgress&)> on_progress)
      : with_(with),
        decoding_(with.options.decode, with.allowance, with.events),
        on_progress_(std::move(on_progress)) {}
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane() override {
    if (lane_ != nullptr) with_.scheduler.CloseLane(*lane_);
  }

  /// Once, before anything else. False if the key is open already.
  [[nodiscard]] bool Open(SourceKey key, LaneOrder order) {
    lane_ = with_.scheduler.OpenLane(
        std::move(key), order, [this](const LaneProgress& progress) { return PassOn(progress); });
    return lane_ != nullptr;
  }

  Status Deliver(const SourceMessage& message) override {
    {
      const std::scoped_lock lock(mutex_);
      if (spoken_for_.contains(message.position)) return {};
    }
    Destinations destinations;
    std::int64_t estimate = 0;
    for (const SourceMessage::Part& part : message.parts) {
      SIGNALDB_ASSIGN(auto destination, DestinationOf({part.tenant, part.dataset}));
      destinations.push_back(std::move(destination));
      estimate += static_cast<std::int64_t>(part.body.size()) * kRowsPerByte;
    }
    const std::int64_t asked = std::min(estimate, with_.budget.bytes_max() / kBudgetDivisor);
    MemoryBudget::Hold room = with_.budget.TryTake(asked);
    if (!room) return Fail(ErrorKind::kUnavailable, "no room in memory; rows wait for commits");
    std::vector<PartRows> parts;
    for (std::size_t i = 0; i < message.parts.size(); ++i)
      parts.push_back(decoding_.Decode(message, i, destinations[i]));
    const std::scoped_lock lock(mutex_);
    const bool waits = !parts.empty() && std::ranges::all_of(parts, [](const PartRows& part) {
      return part.reason_beyond_limit.has_value();
    });
    if (waits) {
      Wait(message, parts, destinations);
    } else {
      AddNow(message, std::move(parts), destinations, std::move(room));
    }
    return {};
  }

  void RaiseFloor(SourcePosition position) override { lane_->RaiseFloor(position); }

  Status Flush(Nanos deadline) override {
    {
      const std::scoped_lock lock(mutex_);
      AddWaiting();
    }
    return with_.scheduler.Flush(deadline);
  }

 private:
  // Errors: kUnavailable, as Admit.
  Result<MessageDecoding::Destination> DestinationOf(DatasetId dataset) {
    MessageDecoding::Destination destination{
        .source = lane_->key(), .dataset = std::move(dataset), .refused = {}};
    const auto admit = [&] { return with_.scheduler.Admit(destination.dataset); };
    Status admitted = admit();
    const bool refused = !admitted && admitted.error().kind == ErrorKind::kInvalid;
    if (refused && destination.dataset != with_.options.default_dataset) {
      // Names come from clients: one too many must not hold up all others behind it.
      destination.refused = admitted.error().message;
      destination.dataset = with_.options.default_dataset;
      admitted = admit();
    }
    if (!admitted && admitted.error().kind != ErrorKind::kInvalid)
      return std::unexpected(admitted.error());
    return destination;
  }

  void AddNow(const SourceMessage& message, std::vector<PartRows> parts,
              const Destinations& destinations, MemoryBudget::Hold room) {
    // Positions in order have to come in order.
    if (lane_->order() == LaneOrder::kInOrder) AddWaiting();
    std::vector<std::pair<DatasetId, PartRows>> rows;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].reason_beyond_limit) {
        WaitingMessages alone;
        alone.AddPart(message, i, *parts[i].reason_beyond_limit, destinations[i]);
        rows.push_back(std::move(alone.Letters(lane_->key()).front()));
      } else {
        rows.emplace_back(destinations[i].dataset, std::move(parts[i]));
      }
    }
    Add(message.position, std::move(rows), std::move(room));
  }

  void Add(SourcePosition position, std::vector<std::pair<DatasetId, PartRows>> rows,
           MemoryBudget::Hold room) {
    room.Resize(
        std::accumulate(rows.begin(), rows.end(), std::int64_t{0},
                        [](auto sum, const auto& part) { return sum + part.second.bytes; }));
    std::vector<std::pair<DatasetId, DecodedMessage>> parts;
    for (auto& [dataset, part] : rows) {
      part.rows.hold = room.Split(part.bytes);
      parts.emplace_back(dataset, std::move(part.rows));
    }
    with_.scheduler.Add({lane_, position}, std::move(parts));
  }

  void Wait(const SourceMessage& message, const std::vector<PartRows>& parts,
            const Destinations& destinations) {
    for (std::size_t i = 0; i < parts.size(); ++i)
      waiting_.AddPart(message, i, *parts[i].reason_beyond_limit, destinations[i]);
    waiting_.AddPosition(message.position);
    if (lane_->order() == LaneOrder::kAnyOrder) spoken_for_.insert(message.position);
    if (!letter_in_flight_ || waiting_.size() >= kWaitingMax) AddWaiting();
  }

  void AddWaiting() {
    if (waiting_.empty()) return;
    const WaitingMessages waiting = std::exchange(waiting_, {});
    const SourcePosition position = waiting.positions().back();
    if (lane_->order() == LaneOrder::kAnyOrder) members_[position] = waiting.positions();
    letter_in_flight_ = position;
    // Not refused when memory is short: a row in place of all these messages.
    Add(position, waiting.Letters(lane_->key()), with_.budget.TryTake(0));
  }

  // A position that stands for others brings them along once it is done.
  Status PassOn(const LaneProgress& progress) {
    LaneProgress whole = progress;
    {
      const std::scoped_lock lock(mutex_);
      for (const SourcePosition done : progress.done) {
        const auto found = members_.find(done);
        if (found == members_.end()) continue;
        std::ranges::copy_if(found->second, std::back_inserter(whole.done),
                             [&](SourcePosition member) { return member != done; });
      }
    }
    SIGNALDB_TRY(on_progress_(whole));
    const std::scoped_lock lock(mutex_);
    for (const SourcePosition done : progress.done) {
      const auto found = members_.find(done);
      if (found == members_.end()) continue;
      for (const SourcePosition member : found->second) spoken_for_.erase(member);
      members_.erase(found);
    }
    const bool landed = letter_in_flight_ && (lane_->order() == LaneOrder::kInOrder
                                                  ? progress.through >= *letter_in_flight_
                                                  : !members_.contains(*letter_in_flight_));
    if (landed) letter_in_flight_.reset();
    if (!letter_in_flight_) AddWaiting();
    return {};
  }

  const Collaborators with_;
  const MessageDecoding decoding_;
  const std::function<Status(const LaneProgress&)> on_progress_;

  std::mutex
      mutex_;  // The source's thread and those that tell of progress. Before the scheduler's.
  WaitingMessages waiting_;
  std::optional<SourcePosition> letter_in_flight_;  // The last that stands for many.
  // Of kAnyOrder: the positions that a letter stands for, by the one it was added under, and all
  // that wait or are on their way like this.
  std::map<SourcePosition, std::vector<SourcePosition>> members_;
  std::set<SourcePosition> spoken_for_;
  std::shared_ptr<SourceLane> lane_;
};

}  // namespace

QueueIntake::QueueIntake(QueueIntakeOptions options, CommitScheduler& scheduler, Clock& clock,
                         EventListener& events, MemoryBudget& budget)
    : options_(std::move(options)),
      scheduler_(scheduler),
      events_(events),
      budget_(budget),
      allowance_(options_.dead_letters, clock) {}

Result<std::unique_ptr<MessageLane>> QueueIntake::OpenLane(LaneOptions options) {
  auto lane =
      std::make_unique<Lane>(Collaborators{options_, scheduler_, events_, budget_, allowance_},
                             std::move(options.on_progress));
  if (!lane->Open(options.key, options.order)) {
    return Fail(ErrorKind::kConflict,
                fmt::format("another block of this process reads the same messages; name them in "
                            "one block only key={}",
                            options.key));
  }
  return lane;
}

}  // namespace signaldb
