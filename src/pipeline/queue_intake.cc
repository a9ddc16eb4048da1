#include "pipeline/queue_intake.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "pipeline/decoded_rows.h"
#include "telemetry/dead_letter.h"
#include "telemetry/table_definition.h"

namespace signaldb {

namespace {

constexpr std::string_view kModule = "pipeline";
// Rows take about as much memory as their message, dictionaries and offsets included.
constexpr std::int64_t kRowsPerByte = 2;
// The largest message must find room some day, whatever it holds.
constexpr std::int64_t kBudgetDivisor = 4;

// What the parts of a lane's messages need.
struct Collaborators {
  const DecodeOptions decode;
  CommitScheduler& scheduler;
  EventListener& events;
  MemoryBudget& budget;
};

class Lane final : public MessageLane {
 public:
  Lane(Collaborators with, LaneOptions options)
      : with_(with),
        lane_(with.scheduler.OpenLane(std::move(options.key), options.order,
                                      std::move(options.on_progress))) {}
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane() override { with_.scheduler.CloseLane(*lane_); }

  Status Deliver(const SourceMessage& message) override {
    std::int64_t estimate = 0;
    for (const SourceMessage::Part& part : message.parts) {
      SIGNALDB_TRY(with_.scheduler.Admit({part.tenant, part.dataset}));
      estimate += static_cast<std::int64_t>(part.body.size()) * kRowsPerByte;
    }
    const std::int64_t asked = std::min(estimate, with_.budget.bytes_max() / kBudgetDivisor);
    MemoryBudget::Hold room = with_.budget.TryTake(asked);
    if (!room) return Fail(ErrorKind::kUnavailable, "no room in memory; rows wait for commits");
    std::vector<std::pair<DatasetId, DecodedMessage>> parts;
    std::vector<std::int64_t> bytes;
    for (std::size_t i = 0; i < message.parts.size(); ++i) {
      const SourceMessage::Part& part = message.parts[i];
      parts.emplace_back(DatasetId{part.tenant, part.dataset},
                         RowsOf(message, i, bytes.emplace_back(0)));
    }
    room.Resize(std::accumulate(bytes.begin(), bytes.end(), std::int64_t{0}));
    for (std::size_t i = 0; i < parts.size(); ++i) parts[i].second.hold = room.Split(bytes[i]);
    with_.scheduler.Add({lane_, message.position}, std::move(parts));
    return {};
  }

  void RaiseFloor(SourcePosition position) override { lane_->RaiseFloor(position); }

  Status Flush(Nanos deadline) override { return with_.scheduler.Flush(deadline); }

 private:
  // The rows without their hold, and how many bytes it has to cover.
  [[nodiscard]] DecodedMessage RowsOf(const SourceMessage& message, std::size_t index,
                                      std::int64_t& bytes) const {
    DecodedMessage rows{.received_at = message.received_at, .tables = {}, .hold = {}};
    if (message.unfit) {
      AddLetter(message, index, *message.unfit, std::nullopt, rows, bytes);
      return rows;
    }
    DecodeOptions options = with_.decode;
    options.received_at = message.received_at;
    Result<DecodedRequest> decoded =
        DecodeMessage(message.signal, message.encoding, message.parts[index].body, options);
    const Status fit = decoded ? CheckHours(*decoded) : Status(std::unexpected(decoded.error()));
    if (!fit) {
      AddLetter(message, index, fit.error().message, std::nullopt, rows, bytes);
      return rows;
    }
    CountRecords(with_.events, message.signal, *decoded);
    const std::int64_t rejected = decoded->rejected;
    const std::string why = std::move(decoded->rejection_message);
    bytes = BytesOf(*decoded);
    rows = MessageOf(*std::move(decoded), message.received_at, {});
    if (rejected > 0) AddLetter(message, index, why, rejected, rows, bytes);
    return rows;
  }

  void AddLetter(const SourceMessage& message, std::size_t index, std::string_view reason,
                 std::optional<std::int64_t> rejected, DecodedMessage& rows,
                 std::int64_t& bytes) const {
    const SourceMessage::Part& part = message.parts[index];
    with_.events.Count("signaldb_writer_dead_letters_total", 1,
                       {{"signal", ToString(message.signal)}});
    with_.events.Log({.severity = Severity::kWarning,
                      .module = kModule,
                      .message = "message, or records of it, can never be rows; kept in the table "
                                 "of dead letters",
                      .fields = {{"source", lane_->key()},
                                 {"position", std::to_string(message.position)},
                                 {"tenant", part.tenant},
                                 {"dataset", part.dataset},
                                 {"reason", std::string(reason)}}});
    bytes += static_cast<std::int64_t>(part.body.size());
    rows.tables.push_back({std::string(DefinitionOf(TableKind::kDeadLetters).name),
                           RowOf({.source = lane_->key(),
                                  .position = message.position,
                                  .part = static_cast<std::int32_t>(index),
                                  .signal = message.signal,
                                  .encoding = message.encoding,
                                  .received_at = message.received_at,
                                  .reason = reason,
                                  .rejected_records = rejected,
                                  .message = part.body})});
  }

  const Collaborators with_;
  const std::shared_ptr<SourceLane> lane_;
};

}  // namespace

QueueIntake::QueueIntake(DecodeOptions decode, CommitScheduler& scheduler, EventListener& events,
                         MemoryBudget& budget)
    : decode_(decode), scheduler_(scheduler), events_(events), budget_(budget) {}

std::unique_ptr<MessageLane> QueueIntake::OpenLane(LaneOptions options) {
  return std::make_unique<Lane>(Collaborators{decode_, scheduler_, events_, budget_},
                                std::move(options));
}

}  // namespace signaldb
