// Arrow Flight puts: messages, each behind its length in two bytes, through the receiver and the
// decoder to rows. The first byte says whether the put names a table that is not ours.

#include <array>
#include <optional>
#include <utility>

#include <arrow/record_batch.h>
#include <arrow/status.h>

#include "adapters/flight/flight_receiver.h"
#include "fuzz/fuzz_input.h"
#include "fuzz/fuzz_target.h"
#include "telemetry/decode.h"
#include "testing/fake_clock.h"
#include "testing/recording_listener.h"
#include "testing/wire_batches.h"
#include "testing/wire_samples.h"

namespace signaldb::testing {
namespace {

constexpr std::int64_t kRecordsMax = 10'000;
constexpr std::size_t kLengthMax = 1 << 16;

DecodeOptions FuzzOptions() {
  return {.received_at = Nanos(1'764'000'000'000'000'000),
          .records_max = kRecordsMax,
          .depth_max = 8,
          .attributes_max = 16};
}

/// Decodes as the pipeline does, and looks at what came of it.
class DecodingIngest final : public Ingest {
 public:
  void Accept(IngestRequest request, Done done) override {
    auto decoded = DecodeMessage(request.signal, request.encoding, request.body, FuzzOptions());
    const auto again = DecodeMessage(request.signal, request.encoding, request.body, FuzzOptions());
    SIGNALDB_ASSERT(decoded.has_value() == again.has_value());
    if (!decoded) return done({.error = std::move(decoded).error()});
    std::int64_t rows = 0;
    for (const DecodedTable& table : decoded->tables) {
      SIGNALDB_ASSERT(table.rows->ValidateFull().ok());
      rows += table.rows->num_rows();
    }
    SIGNALDB_ASSERT(rows == decoded->accepted && rows == again->accepted);
    SIGNALDB_ASSERT(request.signal == Signal::kMetrics || rows <= kRecordsMax);
    for (const ForeignRows& foreign : decoded->foreign) {
      SIGNALDB_ASSERT(foreign.rows->ValidateFull().ok());
      SIGNALDB_ASSERT(foreign.rows->num_rows() <= kRecordsMax);
    }
    done({});
  }
};

std::string InputOf(bool of_ours, const std::vector<std::string>& messages) {
  std::string input(1, of_ours ? '\0' : '\1');
  for (const std::string& message : messages) {
    SIGNALDB_ASSERT(message.size() < kLengthMax);
    input += static_cast<char>(message.size() >> 8);
    input += static_cast<char>(message.size() & 0xff);
    input += message;
  }
  return input;
}

}  // namespace

void RunInput(std::string_view input) {
  FuzzInput in(input);
  DecodingIngest ingest;
  MemoryBudget budget(std::int64_t{1} << 30);
  EntryWindow entries;
  FakeClock clock;
  SystemRandom random;
  RecordingListener events;
  FlightReceiver receiver(
      ingest, [](std::string_view, std::string_view, Nanos, FlightReceiver::FlushDone) {},
      [](const IngestRequest&, const std::string&,
         const std::shared_ptr<arrow::RecordBatch>& rows) -> Status {
        SIGNALDB_ASSERT(rows->ValidateFull().ok());
        return {};
      },
      budget, entries, clock, random, events, {});
  {
    FlightPut put = receiver.BeginPut();
    if (in.TakeByte() % 2 == 1) put.path = {"acme", "prod", "orders"};
    bool refused = false;
    while (!in.empty() && !refused) {
      const std::size_t size = in.TakeBelow(kLengthMax);
      refused = receiver.Add(put, AsBytes(in.TakeBytes(size))).has_value();
    }
    int answers = 0;
    if (!refused) {
      receiver.Submit(std::move(put), [&](const FlightAnswer& answer) {
        SIGNALDB_ASSERT(answer.code != FlightCode::kInternal);
        ++answers;
      });
    }
    SIGNALDB_ASSERT(answers == (refused ? 0 : 1));
  }
  SIGNALDB_ASSERT(budget.used() == 0);
}

std::vector<std::string> SeedInputs() {
  std::vector<std::string> seeds;
  for (const Signal signal : {Signal::kTraces, Signal::kLogs, Signal::kMetrics}) {
    for (const WireBodies bodies : {WireBodies::kPlain, WireBodies::kLz4}) {
      const std::string stream = MakeWireStream(
          signal, {.resources = 1, .records = 3, .record_attributes = 3, .resource_attributes = 2},
          bodies);
      seeds.push_back(
          InputOf(true, FlightMessages(stream, WireMetadata(signal, R"(,"wal_entry_id":"e")"))));
      seeds.push_back(InputOf(false, FlightMessages(stream, "")));
    }
  }
  return seeds;
}

}  // namespace signaldb::testing
