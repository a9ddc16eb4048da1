#include "pipeline/ingest_pipeline.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/retry.h"
#include "pipeline/decoded_rows.h"
#include "pipeline/log_entry.h"

namespace signaldb {

namespace {

constexpr std::string_view kModule = "pipeline";
constexpr Nanos kReplayFlushWait = std::chrono::seconds(10);

IngestAnswer Refusal(Error error) {
  // Only the client's own mistakes are final; everything else may pass.
  if (error.kind != ErrorKind::kInvalid) error.kind = ErrorKind::kUnavailable;
  return IngestAnswer{.error = std::move(error)};
}

}  // namespace

IngestPipeline::IngestPipeline(DecodeOptions decode, DurableLog& log,
                               std::shared_ptr<const SourceLane> lane, CommitScheduler& scheduler,
                               Clock& clock, EventListener& events, MemoryBudget& budget)
    : decode_(decode),
      log_(log),
      lane_(std::move(lane)),
      scheduler_(scheduler),
      clock_(clock),
      events_(events),
      budget_(budget) {}

void IngestPipeline::Accept(IngestRequest request, Done done) {
  DatasetId dataset{request.tenant, request.dataset};
  if (Status admitted = scheduler_.Admit(dataset); !admitted)
    return done(Refusal(std::move(admitted).error()));
  DecodeOptions options = decode_;
  options.received_at = request.received_at;
  Result<DecodedRequest> decoded =
      DecodeMessage(request.signal, request.encoding, request.body, options);
  if (!decoded) return done(Refusal(std::move(decoded).error()));
  if (Status hours = CheckHours(*decoded); !hours) return done(Refusal(std::move(hours).error()));
  CountRecords(events_, request.signal, *decoded);
  IngestAnswer answer{.error = std::nullopt,
                      .rejected = decoded->rejected,
                      .rejection_message = std::move(decoded->rejection_message)};
  // Nothing to keep: nothing to wait for.
  if (decoded->tables.empty() && decoded->foreign.empty()) return done(std::move(answer));

  const std::int64_t bytes = BytesOf(*decoded);
  request.hold.Resize(bytes + static_cast<std::int64_t>(request.body.size()));
  DecodedMessage message =
      MessageOf(*std::move(decoded), request.received_at, std::move(request.hold));
  LogRecord record{
      .header = EncodeLogEntryHeader({.tenant = request.tenant,
                                      .dataset = request.dataset,
                                      .signal = request.signal,
                                      .encoding = request.encoding,
                                      .received_at = request.received_at,
                                      .request_id = request.request_id,
                                      .depth_max = decode_.depth_max,
                                      .attributes_max = decode_.attributes_max,
                                      .timestamp_min = decode_.timestamp_min,
                                      .timestamp_future_max = decode_.timestamp_future_max}),
      .body = request.body,
      .body_owner = std::move(request.owner)};
  log_.Append(std::move(record),
              [this, bytes, dataset = std::move(dataset), message = std::move(message),
               answer = std::move(answer), request_id = std::move(request.request_id),
               done = std::move(done)](Result<Position> position) mutable {
                if (!position) {
                  events_.Log({.severity = Severity::kWarning,
                               .module = kModule,
                               .message = "request was refused; the client is told to retry",
                               .fields = {{"request_id", request_id},
                                          {"tenant", dataset.tenant},
                                          {"dataset", dataset.dataset},
                                          {"error", position.error().message}}});
                  return done(Refusal(std::move(position).error()));
                }
                if (events_.Wants(kModule, Severity::kDebug)) {
                  events_.Log({.severity = Severity::kDebug,
                               .module = kModule,
                               .message = "request is durable",
                               .fields = {{"request_id", request_id},
                                          {"tenant", dataset.tenant},
                                          {"dataset", dataset.dataset},
                                          {"position", std::to_string(*position)}}});
                }
                message.hold.Resize(bytes);
                Add({lane_, *position, Delivery::kFirst}, dataset, std::move(message));
                done(std::move(answer));
              });
}

MemoryBudget::Hold IngestPipeline::HoldForReplay(std::int64_t bytes, std::stop_token stop) {
  while (!stop.stop_requested()) {
    if (MemoryBudget::Hold hold = budget_.TryTake(bytes)) return hold;
    // A message larger than the whole budget goes alone: it was taken in once, so it must come
    // back.
    if (scheduler_.Flush(clock_.MonotonicNow() + kReplayFlushWait)) break;
  }
  MemoryBudget::Hold hold = budget_.TryTake(0);
  hold.Resize(bytes);
  return hold;
}

void IngestPipeline::Add(const MessageOrigin& origin, const DatasetId& dataset,
                         DecodedMessage message) {
  std::vector<std::pair<DatasetId, DecodedMessage>> parts;
  parts.emplace_back(dataset, std::move(message));
  scheduler_.Add(origin, std::move(parts));
}

Status IngestPipeline::SetAside(PoisonShelf& poison, Position position, std::string_view header,
                                std::span<const std::byte> body, const Error& why) {
  SIGNALDB_TRY(poison.SetAside(position, header, body, why.message));
  // Without rows it counts as committed in its turn: what is on the shelf need not stay in the log.
  scheduler_.Add({lane_, position}, {});
  recovered_ = position;
  return {};
}

Result<Coverage> IngestPipeline::CoverageForReplay(const CoverageLookup& coverage,
                                                   const DatasetId& dataset,
                                                   const std::string& table) {
  Result<Coverage> covered = coverage(dataset, table);
  if (covered || IsRetryable(covered.error().kind)) return covered;
  // One broken table must not keep the others waiting. Its rows go to the cuts unseen: a commit
  // looks at the coverage again, and says what is wrong until it is mended.
  events_.Log({.severity = Severity::kError,
               .module = kModule,
               .message = "table cannot be read; its rows wait until it is mended",
               .fields = {{"tenant", dataset.tenant},
                          {"dataset", dataset.dataset},
                          {"table", table},
                          {"error", covered.error().message}}});
  return Coverage{};
}

Status IngestPipeline::Recover(const CoverageLookup& coverage, PoisonShelf& poison,
                               std::stop_token stop) {
  std::map<std::pair<DatasetId, std::string>, Coverage> known;
  std::int64_t messages = 0;
  const auto replay_one = [&](Position position, std::string_view header_bytes,
                              std::span<const std::byte> body) -> Status {
    if (stop.stop_requested())
      return Fail(ErrorKind::kCancelled, "stopped while replaying the log");
    const Result<LogEntryHeader> header = DecodeLogEntryHeader(header_bytes);
    if (!header) return SetAside(poison, position, header_bytes, body, header.error());
    // By the limits of the day it was answered: what was acknowledged then is not rejected now.
    const DecodeOptions options{.received_at = header->received_at,
                                .timestamp_min = header->timestamp_min,
                                .timestamp_future_max = header->timestamp_future_max,
                                .records_max = std::numeric_limits<std::int64_t>::max(),
                                .depth_max = header->depth_max,
                                .attributes_max = header->attributes_max};
    Result<DecodedRequest> decoded = DecodeMessage(header->signal, header->encoding, body, options);
    if (!decoded) return SetAside(poison, position, header_bytes, body, decoded.error());
    const DatasetId dataset{header->tenant, header->dataset};
    const std::int64_t bytes = BytesOf(*decoded);
    DecodedMessage message =
        MessageOf(*std::move(decoded), header->received_at, HoldForReplay(bytes, stop));
    std::vector<TableRows> lacking;
    for (TableRows& table : message.tables) {
      const auto key = std::pair(dataset, table.table);
      auto found = known.find(key);
      if (found == known.end()) {
        SIGNALDB_ASSIGN(Coverage covered, CoverageForReplay(coverage, dataset, table.table));
        found = known.emplace(key, std::move(covered)).first;
      }
      if (found->second.Covers(position)) {
        events_.Count("signaldb_writer_dedupe_hits_total", 1);
      } else {
        lacking.push_back(std::move(table));
      }
    }
    message.tables = std::move(lacking);
    Add({lane_, position}, dataset, std::move(message));
    recovered_ = position;
    ++messages;
    return {};
  };
  const Position from = std::max(log_.trimmed(), recovered_) + 1;
  SIGNALDB_TRY(log_.Replay(from, replay_one));
  events_.Log({.severity = Severity::kInfo,
               .module = kModule,
               .message = "log replayed",
               .fields = {{"messages", std::to_string(messages)},
                          {"from", std::to_string(from)},
                          {"to", std::to_string(log_.last_durable())}}});
  return {};
}

}  // namespace signaldb
