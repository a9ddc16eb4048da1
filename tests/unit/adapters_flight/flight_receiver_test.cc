#include "adapters/flight/flight_receiver.h"

#include <optional>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/message.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <protozero/pbf_writer.hpp>

#include "integration/otlp/fake_ingest.h"
#include "telemetry/arrow_request.h"
#include "telemetry/decode.h"
#include "testing/fake_clock.h"
#include "testing/matchers.h"
#include "testing/otlp_samples.h"
#include "testing/recording_listener.h"
#include "testing/wire_batches.h"

namespace signaldb {
namespace {

using testing::FakeIngest;
using ::testing::HasSubstr;
using testing::IpcStream;
using testing::WireBatch;
using testing::WireMetadata;
using testing::WireSchema;

const std::string kRow =
    R"({"time_unix_nano":1763816400000000001,"observed_time_unix_nano":0,"body":"\"b\""})";

/// A FlightData message.
std::string Message(std::string_view header, std::string_view body, std::string_view metadata = "",
                    const std::vector<std::string>& path = {}) {
  std::string bytes;
  protozero::pbf_writer out(bytes);
  if (!path.empty()) {
    protozero::pbf_writer descriptor(out, 1);
    descriptor.add_uint32(1, 1);
    for (const std::string& part : path) descriptor.add_string(3, part);
  }
  out.add_bytes(2, header.data(), header.size());
  if (!metadata.empty()) out.add_bytes(3, metadata.data(), metadata.size());
  out.add_bytes(1000, body.data(), body.size());
  return bytes;
}

/// The messages of a put, the metadata in the first.
std::vector<std::string> Messages(const std::string& stream, const std::string& metadata,
                                  const std::vector<std::string>& path = {}) {
  arrow::io::BufferReader source{
      arrow::Buffer(stream).CopySlice(0, static_cast<std::int64_t>(stream.size())).ValueOrDie()};
  const auto reader = arrow::ipc::MessageReader::Open(&source);
  std::vector<std::string> messages;
  while (const auto message = reader->ReadNextMessage().ValueOrDie()) {
    const auto body = message->body();
    const std::string_view buffers = body == nullptr ? std::string_view() : std::string_view(*body);
    messages.push_back(Message(std::string_view(*message->metadata()), buffers,
                               messages.empty() ? metadata : "",
                               messages.empty() ? path : std::vector<std::string>()));
  }
  return messages;
}

std::string LogStream(int batches = 1) {
  const auto schema = WireSchema(Signal::kLogs);
  return IpcStream(
      schema, std::vector(static_cast<std::size_t>(batches), WireBatch(schema, "[" + kRow + "]")));
}

class FlightReceiverTest : public ::testing::Test {
 protected:
  void Make(FlightReceiverOptions options = {}) {
    receiver.emplace(
        ingest,
        [this](std::string_view tenant, std::string_view dataset, Nanos,
               FlightReceiver::FlushDone done) {
          flushes.push_back(std::string(tenant) + "/" + std::string(dataset));
          done(flushed);
        },
        [this](const IngestRequest& target, const std::string& table,
               const std::shared_ptr<arrow::RecordBatch>& rows) -> Status {
          checked.push_back(target.tenant + "." + target.dataset + "." + table + ":" +
                            std::to_string(rows->num_rows()));
          return fits;
        },
        budget, entries, clock, random, events, std::move(options));
  }

  FlightAnswer Put(const std::vector<std::string>& messages) {
    if (!receiver) Make();
    FlightPut put = receiver->BeginPut();
    if (auto refusal = receiver->AdmitPut()) return *refusal;
    for (const std::string& message : messages) {
      const std::span bytes(message.data(), message.size());
      if (auto answer = receiver->Add(put, std::as_bytes(bytes))) return *answer;
    }
    FlightAnswer answer{FlightCode::kInternal, "no answer"};
    receiver->Submit(std::move(put), [&](FlightAnswer given) { answer = std::move(given); });
    return answer;
  }
  FlightAnswer PutLogs(const std::string& more, const std::vector<std::string>& path = {}) {
    return Put(Messages(LogStream(), WireMetadata(Signal::kLogs, more), path));
  }

  FakeIngest ingest;
  MemoryBudget budget{256 << 20};
  EntryWindow entries;
  testing::FakeClock clock;
  SystemRandom random;
  testing::RecordingListener events;
  Status flushed;
  std::vector<std::string> flushes;
  Status fits;
  std::vector<std::string> checked;
  std::optional<FlightReceiver> receiver;
};

TEST_F(FlightReceiverTest, HandsAPutOverAsOneBodyThatDecodes) {
  const std::string metadata = WireMetadata(Signal::kLogs);
  const FlightAnswer answer = Put(Messages(LogStream(3), metadata, {"acme", "prod", "logs"}));
  EXPECT_EQ(answer.code, FlightCode::kOk) << answer.message;
  ASSERT_EQ(ingest.seen().size(), 1U);
  const auto seen = ingest.seen()[0];
  EXPECT_EQ(seen.tenant, "acme");
  EXPECT_EQ(seen.dataset, "prod");
  EXPECT_EQ(seen.signal, Signal::kLogs);
  EXPECT_EQ(seen.encoding, MessageEncoding::kArrow);
  EXPECT_GE(seen.held, static_cast<std::int64_t>(seen.body.size()));
  EXPECT_EQ(seen.body, LogStream(3) + ArrowBodyTrailer(metadata)) << "as Arrow itself writes it";
  EXPECT_EQ(budget.used(), 0);
}

TEST_F(FlightReceiverTest, FallsBackToTheDefaultScope) {
  const std::string metadata = R"({"schema_version":"v1","signal_type":"logs","tenant_id":" "})";
  EXPECT_EQ(Put(Messages(LogStream(), metadata)).code, FlightCode::kOk);
  EXPECT_EQ(ingest.seen()[0].tenant, "default");
  EXPECT_EQ(ingest.seen()[0].dataset, "default");
}

TEST_F(FlightReceiverTest, TakesTheMetadataWithTheFirstBatchToo) {
  // Clients whose library cannot attach anything to the schema.
  auto messages = Messages(LogStream(2), "");
  ASSERT_EQ(messages.size(), 3U);
  protozero::pbf_writer(messages[1]).add_bytes(3, WireMetadata(Signal::kLogs));
  EXPECT_EQ(Put(messages).code, FlightCode::kOk);
  std::swap(messages[1], messages[2]);
  EXPECT_THAT(Put(messages).message, HasSubstr("app_metadata"));
}

TEST_F(FlightReceiverTest, RefusesMetadataThatIsWrong) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "app_metadata"},
      {"no json", "JSON object"},
      {R"({"schema_version":"v1","signal_type":"logs","tenant_id":"a/b"})", "key=tenant_id"},
      {R"({"schema_version":"v1","signal_type":"logs","dataset_id":"."})", "key=dataset_id"},
      {WireMetadata(Signal::kLogs, R"(,"wal_entry_id":")" + std::string(129, 'x') + "\""),
       "wal_entry_id is too long"},
  };
  for (const auto& [metadata, text] : cases) {
    const FlightAnswer answer = Put(Messages(LogStream(), metadata));
    EXPECT_EQ(answer.code, FlightCode::kInvalidArgument) << metadata;
    EXPECT_THAT(answer.message, HasSubstr(text)) << metadata;
  }
  const std::string profiles = R"({"schema_version":"v1","signal_type":"profiles"})";
  EXPECT_EQ(Put(Messages(LogStream(), profiles)).code, FlightCode::kUnimplemented);
  EXPECT_TRUE(ingest.seen().empty());
}

TEST_F(FlightReceiverTest, RefusesAPathThatContradictsTheMetadata) {
  for (const std::vector<std::string>& path : {std::vector<std::string>{"acme", "prod"},
                                               {"other", "prod", "logs"},
                                               {"acme", "other", "logs"},
                                               {"acme", "prod", "traces"},
                                               {"acme", "prod", "logs", "x"}}) {
    const FlightAnswer answer = PutLogs("", path);
    EXPECT_EQ(answer.code, FlightCode::kInvalidArgument);
    EXPECT_THAT(answer.message, HasSubstr("contradict"));
  }
}

TEST_F(FlightReceiverTest, RefusesStreamsThatAreNone) {
  const std::string metadata = WireMetadata(Signal::kLogs);
  const auto messages = Messages(LogStream(), metadata);
  const auto refused = [&](const std::vector<std::string>& stream, std::string_view text) {
    const FlightAnswer answer = Put(stream);
    EXPECT_EQ(answer.code, FlightCode::kInvalidArgument) << text;
    EXPECT_THAT(answer.message, HasSubstr(text));
  };
  refused({}, "app_metadata");
  refused({messages[0]}, "no record batch");
  refused({messages[1]}, "must begin with its schema");
  refused({messages[0], messages[1], messages[0]}, "schema of a put must not change");
  refused({"\x12\x05x"}, "not a FlightData");
  refused({Message("no flatbuffer", "", metadata)}, "no valid arrow data");
  std::string cut = messages[1];
  protozero::pbf_writer(cut).add_bytes(1000, "short");
  refused({messages[0], cut}, "length of a message's body");
  EXPECT_TRUE(ingest.seen().empty());
  EXPECT_EQ(budget.used(), 0);
}

TEST_F(FlightReceiverTest, BoundsAPutAsAWhole) {
  const auto messages = Messages(LogStream(2), WireMetadata(Signal::kLogs));
  const std::uint64_t stream_bytes = LogStream(2).size() - 8;  // Its end is not the sender's.
  Make({.put_bytes_max = stream_bytes - 8});  // Framing counts eight bytes less a message.
  EXPECT_EQ(Put(messages).code, FlightCode::kOk);
  Make({.put_bytes_max = stream_bytes - 9});
  const FlightAnswer answer = Put(messages);
  EXPECT_EQ(answer.code, FlightCode::kInvalidArgument) << "trying again would not help";
  EXPECT_THAT(answer.message, HasSubstr("too large"));
}

TEST_F(FlightReceiverTest, PushesBackWhileThereIsNoMemoryOrTheServerStops) {
  auto all = budget.TryTake(budget.bytes_max());
  EXPECT_EQ(PutLogs("").code, FlightCode::kResourceExhausted);
  all.Resize(budget.bytes_max() - 1);
  EXPECT_EQ(PutLogs("").code, FlightCode::kResourceExhausted);
  all.Release();
  EXPECT_EQ(PutLogs("").code, FlightCode::kOk);
  receiver->Drain();
  EXPECT_EQ(PutLogs("").code, FlightCode::kUnavailable);
}

TEST_F(FlightReceiverTest, SaysWhatTheIngestSays) {
  ingest.AnswerWith({.error = Error{ErrorKind::kInvalid, "column=body row=3"}});
  FlightAnswer answer = PutLogs("");
  EXPECT_EQ(answer.code, FlightCode::kInvalidArgument);
  EXPECT_EQ(answer.message, "column=body row=3");
  ingest.AnswerWith({.error = Error{ErrorKind::kUnavailable, "disk"}});
  EXPECT_EQ(PutLogs("").code, FlightCode::kUnavailable);
}

TEST_F(FlightReceiverTest, StoresAnEntryOnceHoweverOftenItIsSent) {
  const std::string entry = R"(,"wal_entry_id":"e1")";
  ingest.AnswerWith({.error = Error{ErrorKind::kUnavailable, "disk"}});
  EXPECT_EQ(PutLogs(entry).code, FlightCode::kUnavailable);
  ingest.AnswerWith({});
  EXPECT_EQ(PutLogs(entry).code, FlightCode::kOk) << "what failed is not remembered";
  EXPECT_EQ(PutLogs(entry).code, FlightCode::kOk);
  EXPECT_EQ(ingest.seen().size(), 2U);
  EXPECT_EQ(PutLogs(R"(,"wal_entry_id":"e2")").code, FlightCode::kOk);
  EXPECT_EQ(PutLogs("").code, FlightCode::kOk);
  EXPECT_EQ(PutLogs("").code, FlightCode::kOk) << "without an id nothing is recognised";
  EXPECT_EQ(ingest.seen().size(), 5U);
}

TEST_F(FlightReceiverTest, LetsOnlyOneOfTwoEqualEntriesRun) {
  ingest.SetMode(FakeIngest::Mode::kHoldBack);
  const std::string entry = R"(,"wal_entry_id":"e1")";
  EXPECT_EQ(PutLogs(entry).message, "no answer");
  EXPECT_EQ(PutLogs(entry).code, FlightCode::kUnavailable);
  EXPECT_EQ(ingest.seen().size(), 1U);
}

TEST_F(FlightReceiverTest, KnowsEntriesOfPutsThatTheLogHolds) {
  ASSERT_EQ(PutLogs(R"(,"wal_entry_id":"e1")").code, FlightCode::kOk);
  ASSERT_EQ(PutLogs("").code, FlightCode::kOk);
  // As after a restart: an empty window, and the bodies in the log.
  EntryWindow again;
  for (const auto& seen : ingest.seen())
    RememberPut(again, seen.tenant, seen.dataset, testing::AsBytes(seen.body));
  RememberPut(again, "acme", "prod", testing::AsBytes("no body of a put"));
  EXPECT_EQ(again.Begin(EntryOf("acme", "prod", "e1")), EntryWindow::State::kDurable);
  EXPECT_EQ(again.Begin(EntryOf("acme", "prod", "")), EntryWindow::State::kNew);
  EXPECT_EQ(again.Begin(EntryOf("acme", "test", "e1")), EntryWindow::State::kNew);
}

TEST(EntryWindow, RemembersUpToItsLimitToo) {
  EntryWindow window(2);
  for (const char* entry : {"a", "b", "b", "c"}) window.Remember(entry);
  EXPECT_EQ(window.Begin("c"), EntryWindow::State::kDurable);
  EXPECT_EQ(window.Begin("b"), EntryWindow::State::kDurable);
  EXPECT_EQ(window.Begin("a"), EntryWindow::State::kNew);
}

TEST(EntryWindow, ForgetsTheOldest) {
  EntryWindow window(2);
  for (const std::string entry : {"a", "b", "c"}) {
    ASSERT_EQ(window.Begin(entry), EntryWindow::State::kNew);
    window.End(entry, EntryWindow::Outcome::kDurable);
  }
  EXPECT_EQ(window.Begin("c"), EntryWindow::State::kDurable);
  EXPECT_EQ(window.Begin("b"), EntryWindow::State::kDurable);
  EXPECT_EQ(window.Begin("a"), EntryWindow::State::kNew);
}

TEST_F(FlightReceiverTest, TakesPlainRowsForTheTableThatThePathNames) {
  const FlightAnswer answer = Put(Messages(LogStream(2), "", {"acme", "prod", "orders"}));
  EXPECT_EQ(answer.code, FlightCode::kOk) << answer.message;
  EXPECT_EQ(checked, std::vector<std::string>{"acme.prod.orders:2"});
  ASSERT_EQ(ingest.seen().size(), 1U);
  const auto seen = ingest.seen()[0];
  EXPECT_EQ(seen.tenant, "acme");
  EXPECT_EQ(seen.encoding, MessageEncoding::kArrowRows);
  const auto decoded = DecodeMessage(
      seen.signal, seen.encoding, std::as_bytes(std::span(seen.body.data(), seen.body.size())), {});
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
  ASSERT_EQ(decoded->foreign.size(), 1U);
  EXPECT_EQ(decoded->foreign[0].table, "orders");
  EXPECT_EQ(decoded->foreign[0].rows->num_rows(), 2);
  EXPECT_TRUE(decoded->foreign[0].rows->ValidateFull().ok());
}

TEST_F(FlightReceiverTest, RefusesPlainRowsThatCannotBeStored) {
  const auto refused = [&](const std::vector<std::string>& path, FlightCode code,
                           std::string_view text) {
    const FlightAnswer answer = Put(Messages(LogStream(), "", path));
    EXPECT_EQ(answer.code, code) << text;
    EXPECT_THAT(answer.message, HasSubstr(text));
  };
  refused({"acme", "prod"}, FlightCode::kInvalidArgument, "path is tenant");
  refused({"acme", "prod", ""}, FlightCode::kInvalidArgument, "path is tenant");
  refused({"a/b", "prod", "orders"}, FlightCode::kInvalidArgument, "key=path");
  refused({"acme", "prod", "logs"}, FlightCode::kInvalidArgument, "send app_metadata table=logs");
  EXPECT_TRUE(checked.empty());
  fits = Fail(ErrorKind::kNotFound, "no such table");
  refused({"acme", "prod", "orders"}, FlightCode::kInvalidArgument, "no such table");
  fits = Fail(ErrorKind::kInvalid, "column=x");
  refused({"acme", "prod", "orders"}, FlightCode::kInvalidArgument, "column=x");
  fits = Fail(ErrorKind::kUnavailable, "catalog");
  refused({"acme", "prod", "orders"}, FlightCode::kUnavailable, "catalog");
  EXPECT_TRUE(ingest.seen().empty());
  EXPECT_EQ(budget.used(), 0);
}

TEST_F(FlightReceiverTest, AsksForTheKeyIfThereIsOne) {
  Make();
  EXPECT_EQ(receiver->Authorize(""), std::nullopt);
  Make({.service_key = "hush"});
  EXPECT_EQ(receiver->Authorize("Bearer hush"), std::nullopt);
  EXPECT_EQ(receiver->Authorize("")->code, FlightCode::kUnauthenticated);
  EXPECT_EQ(receiver->Authorize("Basic hush")->code, FlightCode::kUnauthenticated);
  for (const char* wrong : {"Bearer ", "Bearer hus", "Bearer husk", "Bearer hushh"})
    EXPECT_EQ(receiver->Authorize(wrong)->code, FlightCode::kPermissionDenied) << wrong;
}

TEST_F(FlightReceiverTest, FlushesWhatTheCallerNames) {
  Make();
  const auto flush = [&](std::string_view tenant, std::string_view dataset) {
    FlightAnswer answer{FlightCode::kInternal, ""};
    receiver->FlushScope(tenant, dataset, [&](FlightAnswer given) { answer = std::move(given); });
    return answer.code;
  };
  EXPECT_EQ(flush("acme", ""), FlightCode::kOk);
  EXPECT_EQ(flush("acme", "prod"), FlightCode::kOk);
  EXPECT_EQ(flush("", "prod"), FlightCode::kInvalidArgument);
  EXPECT_EQ(flush("a/b", ""), FlightCode::kInvalidArgument);
  EXPECT_EQ(flush("acme", "/"), FlightCode::kInvalidArgument);
  EXPECT_THAT(flushes, ::testing::ElementsAre("acme/", "acme/prod"));
  flushed = Fail(ErrorKind::kUnavailable, "catalog");
  EXPECT_EQ(flush("acme", ""), FlightCode::kUnavailable);
}

}  // namespace
}  // namespace signaldb
