#include "adapters/flight/flight_receiver.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <arrow/api.h>
#include <arrow/ipc/message.h>
#include <fmt/format.h>

#include "adapters/flight/flight_messages.h"
#include "telemetry/arrow_request.h"
#include "telemetry/names.h"
#include "telemetry/put_metadata.h"
#include "telemetry/table_definition.h"

namespace signaldb {

namespace {

constexpr Nanos kFlushWait = std::chrono::seconds(30);
constexpr std::size_t kEntryIdBytesMax = 128;
constexpr std::size_t kTableNameBytesMax = 256;
/// The metric label of rows that are of no signal.
constexpr std::string_view kRowsSignal = "rows";
/// An IPC message begins so; its length follows, then the flatbuffer, padded so that its buffers
/// are aligned.
constexpr std::uint32_t kContinuation = 0xffffffff;
constexpr std::size_t kAlignment = 8;
/// Beside the messages themselves: what framing and metadata add to the body.
constexpr std::uint64_t kExtraBytesMax = 1 << 20;
constexpr std::string_view kNoMemory = "out of memory for puts; retry later";

FlightAnswer Invalid(std::string message) {
  return {FlightCode::kInvalidArgument, std::move(message)};
}

std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string LittleEndian(std::uint32_t number) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes += static_cast<char>((number >> (8 * i)) & 0xff);
  return bytes;
}

/// Takes as long for a wrong key as for the right one of the same length.
bool SameSecret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  volatile unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference = difference | static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

FlightAnswer AnswerOf(const IngestAnswer& answer) {
  if (!answer.error) return {};
  switch (answer.error->kind) {
    case ErrorKind::kInvalid:
      return Invalid(answer.error->message);
    case ErrorKind::kInternal:
    case ErrorKind::kCorrupt:
    case ErrorKind::kNotFound:
      return {FlightCode::kInternal, answer.error->message};
    default:
      return {FlightCode::kUnavailable, answer.error->message};
  }
}

Result<std::string> NameOr(const std::string& name, const std::string& otherwise,
                           std::string_view key) {
  if (name.empty()) return otherwise;
  if (IsValidTenantOrDataset(name)) return name;
  return Fail(ErrorKind::kInvalid,
              fmt::format("a name must be 1 to 64 of [A-Za-z0-9_-] key={}", key));
}

}  // namespace

std::string_view ToString(FlightCode code) {
  switch (code) {
    case FlightCode::kOk:
      return "accepted";
    case FlightCode::kInvalidArgument:
      return "invalid";
    case FlightCode::kPermissionDenied:
    case FlightCode::kUnauthenticated:
      return "unauthenticated";
    case FlightCode::kUnimplemented:
      return "unsupported";
    case FlightCode::kInternal:
      return "internal";
    case FlightCode::kResourceExhausted:
    case FlightCode::kUnavailable:
      return "unavailable";
  }
  return "internal";
}

/// Where a put goes.
struct FlightReceiver::Target {
  std::string tenant;
  std::string dataset;
  PutMetadata metadata;
};

FlightReceiver::FlightReceiver(Ingest& ingest, Flush flush, CheckRows check_rows,
                               MemoryBudget& budget, EntryWindow& entries, Clock& clock,
                               Random& random, EventListener& events, FlightReceiverOptions options)
    : ingest_(ingest),
      flush_(std::move(flush)),
      check_rows_(std::move(check_rows)),
      budget_(budget),
      entries_(entries),
      clock_(clock),
      random_(random),
      events_(events),
      options_(std::move(options)) {}

std::optional<FlightAnswer> FlightReceiver::Authorize(std::string_view authorization) const {
  if (options_.service_key.empty()) return std::nullopt;
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme)) {
    return FlightAnswer{FlightCode::kUnauthenticated,
                        "send the service key as authorization: Bearer <key>"};
  }
  if (SameSecret(authorization.substr(kScheme.size()), options_.service_key)) return std::nullopt;
  return FlightAnswer{FlightCode::kPermissionDenied, "the service key is wrong"};
}

FlightPut FlightReceiver::BeginPut() {
  FlightPut put;
  put.started = clock_.MonotonicNow();
  put.request_id = ToString(UuidV7(clock_, random_));
  put.body = BudgetedBuffer(&budget_, options_.put_bytes_max + kExtraBytesMax);
  return put;
}

std::optional<FlightAnswer> FlightReceiver::AdmitPut() const {
  if (draining_.load(std::memory_order_relaxed)) {
    return FlightAnswer{FlightCode::kUnavailable, "the server is stopping; retry later"};
  }
  // How long the put is shows only when it is here; with nothing left it need not come.
  if (!budget_.TryTake(1)) {
    return FlightAnswer{FlightCode::kResourceExhausted, std::string(kNoMemory)};
  }
  return std::nullopt;
}

FlightAnswer FlightReceiver::RefusalOf(BufferRefusal refusal) const {
  if (refusal == BufferRefusal::kBudgetExhausted)
    return {FlightCode::kResourceExhausted, std::string(kNoMemory)};
  // Final, unlike a lack of memory: trying again cannot help.
  return Invalid(
      fmt::format("the put is too large; send smaller ones bytes_max={}", options_.put_bytes_max));
}

std::optional<FlightAnswer> FlightReceiver::Add(FlightPut& put,
                                                std::span<const std::byte> message) {
  const auto data = ParseFlightData(message);
  if (!data) return Invalid(data.error().message);
  if (!data->app_metadata.empty() && data->app_metadata != put.metadata) {
    if (!put.metadata.empty() || put.has_batch)
      return Invalid("only the first message of a put may carry app_metadata");
    put.metadata = data->app_metadata;
  }
  if (!data->path.empty() && put.path.empty())
    put.path.assign(data->path.begin(), data->path.end());
  if (data->header.empty()) return std::nullopt;  // Metadata alone.
  return AddToStream(put, data->header, data->body);
}

std::optional<FlightAnswer> FlightReceiver::AddToStream(FlightPut& put, std::string_view header,
                                                        std::string_view body) {
  const auto message = arrow::ipc::Message::Open(std::make_shared<arrow::Buffer>(header),
                                                 std::make_shared<arrow::Buffer>(body));
  if (!message.ok()) return Invalid("a message holds no valid arrow data");
  const arrow::ipc::MessageType type = (*message)->type();
  if ((*message)->body_length() != static_cast<std::int64_t>(body.size())) {
    return Invalid("the length of a message's body is not what its header says");
  }
  const bool is_schema = type == arrow::ipc::MessageType::SCHEMA;
  if (is_schema && put.has_schema) return Invalid("the schema of a put must not change");
  if (!is_schema && !put.has_schema) return Invalid("a put must begin with its schema");
  if (!is_schema && type != arrow::ipc::MessageType::RECORD_BATCH &&
      type != arrow::ipc::MessageType::DICTIONARY_BATCH) {
    return Invalid("a message of a put is no schema, batch or dictionary");
  }
  const std::size_t padded = (header.size() + kAlignment - 1) / kAlignment * kAlignment;
  if (put.body.size() + padded + body.size() > options_.put_bytes_max)
    return RefusalOf(BufferRefusal::kTooLarge);
  put.has_schema |= is_schema;
  put.has_batch |= type == arrow::ipc::MessageType::RECORD_BATCH;
  const std::string prefix =
      LittleEndian(kContinuation) + LittleEndian(static_cast<std::uint32_t>(padded));
  const std::string padding(padded - header.size(), '\0');
  for (const std::string_view part :
       {std::string_view(prefix), header, std::string_view(padding), body}) {
    if (const auto refusal = put.body.Append(AsBytes(part))) return RefusalOf(*refusal);
  }
  return std::nullopt;
}

Result<FlightReceiver::Target> FlightReceiver::TargetOf(const FlightPut& put) const {
  Target target;
  SIGNALDB_ASSIGN(target.metadata, ParsePutMetadata(put.metadata));
  const PutMetadata& metadata = target.metadata;
  SIGNALDB_ASSIGN(target.tenant, NameOr(metadata.tenant, options_.default_tenant, "tenant_id"));
  SIGNALDB_ASSIGN(target.dataset, NameOr(metadata.dataset, options_.default_dataset, "dataset_id"));
  if (metadata.entry_id.size() > kEntryIdBytesMax) {
    return Fail(ErrorKind::kInvalid, fmt::format("wal_entry_id is too long bytes={} bytes_max={}",
                                                 metadata.entry_id.size(), kEntryIdBytesMax));
  }
  if (put.path.empty() || !metadata.signal()) return target;
  std::string_view table = ToString(*metadata.signal());
  if (metadata.table) table = DefinitionOf(*metadata.table).name;
  if (put.path.size() != 3 || put.path[0] != target.tenant || put.path[1] != target.dataset ||
      put.path[2] != table) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("the path of the descriptor and the put metadata contradict each "
                            "other; send no path, or tenant, dataset and table={}",
                            table));
  }
  return target;
}

void FlightReceiver::Submit(FlightPut put, Reply reply) {
  put.started = clock_.MonotonicNow();  // What comes before is the sender's time.
  if (put.metadata.empty() && !put.path.empty()) {
    return SubmitRows(std::move(put), std::move(reply));
  }
  const auto refuse = [&](std::string_view signal, FlightAnswer answer) {
    End(put, signal, answer);
    reply(std::move(answer));
  };
  auto target = TargetOf(put);
  if (!target) return refuse("unknown", Invalid(target.error().message));
  const auto signal = target->metadata.signal();
  if (!signal) {
    return refuse(target->metadata.signal_type,
                  {FlightCode::kUnimplemented, "profiles are not stored by this build"});
  }
  if (!put.has_batch) return refuse(ToString(*signal), Invalid("the put has no record batch"));
  if (!target->metadata.entry_id.empty()) {
    put.entry = EntryOf(target->tenant, target->dataset, target->metadata.entry_id);
    switch (entries_.Begin(put.entry)) {
      case EntryWindow::State::kNew:
        break;
      case EntryWindow::State::kRunning:
        return refuse(ToString(*signal), {FlightCode::kUnavailable,
                                          "the same wal_entry_id is being stored; retry later"});
      case EntryWindow::State::kDurable:
        events_.Count("signaldb_writer_dedupe_hits_total", 1);
        return refuse(ToString(*signal), {});
    }
  }
  IngestRequest request;
  request.tenant = std::move(target->tenant);
  request.dataset = std::move(target->dataset);
  request.signal = *signal;
  request.encoding = MessageEncoding::kArrow;
  if (const auto refusal = EndStream(put, put.metadata)) {
    if (!put.entry.empty()) entries_.End(put.entry, EntryWindow::Outcome::kFailed);
    return refuse(ToString(*signal), RefusalOf(*refusal));
  }
  Accept(std::move(put), ToString(*signal), std::move(request), std::move(reply));
}

Result<IngestRequest> FlightReceiver::RowsRequest(FlightPut& put) {
  if (put.path.size() != 3 || put.path[2].empty() || put.path[2].size() > kTableNameBytesMax) {
    return Fail(ErrorKind::kInvalid,
                "send app_metadata with the first message, or a descriptor whose path is tenant, "
                "dataset and table");
  }
  IngestRequest request;
  SIGNALDB_ASSIGN(request.tenant, NameOr(put.path[0], options_.default_tenant, "path"));
  SIGNALDB_ASSIGN(request.dataset, NameOr(put.path[1], options_.default_dataset, "path"));
  request.encoding = MessageEncoding::kArrowRows;
  const std::string& table = put.path[2];
  if (FindDefinition(table) != nullptr) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("this table is filled from telemetry; send app_metadata table={}", table));
  }
  if (!put.has_batch) return Fail(ErrorKind::kInvalid, "the put has no record batch");
  return request;
}

void FlightReceiver::SubmitRows(FlightPut put, Reply reply) {
  const auto refuse = [&](FlightAnswer answer) {
    End(put, kRowsSignal, answer);
    reply(std::move(answer));
  };
  auto request = RowsRequest(put);
  if (!request) return refuse(Invalid(request.error().message));
  const std::string table = put.path[2];
  if (const auto refusal = EndStream(put, table)) return refuse(RefusalOf(*refusal));
  // Before anything is stored: what does not fit would keep the whole dataset from committing.
  auto decoded = DecodeArrowRows(put.body.bytes(), {});
  if (!decoded) return refuse(Invalid(decoded.error().message));
  std::int64_t rows = 0;
  Status fits;
  for (const ForeignRows& foreign : decoded->foreign) {
    rows = foreign.rows->num_rows();
    fits = check_rows_(*request, table, foreign.rows);
  }
  decoded->foreign.clear();  // The ingest decodes the body itself, as a replay would.
  if (!fits) {
    const ErrorKind kind = fits.error().kind;
    const bool final = kind == ErrorKind::kInvalid || kind == ErrorKind::kNotFound;
    return refuse(
        {final ? FlightCode::kInvalidArgument : FlightCode::kUnavailable, fits.error().message});
  }
  Accept(std::move(put), kRowsSignal, *std::move(request),
         [this, rows, reply = std::move(reply)](FlightAnswer answer) mutable {
           if (answer.code == FlightCode::kOk) {
             events_.Count("signaldb_writer_records_total", static_cast<double>(rows),
                           {{"signal", kRowsSignal}, {"outcome", "accepted"}});
           }
           reply(std::move(answer));
         });
}

std::optional<BufferRefusal> FlightReceiver::EndStream(FlightPut& put, std::string_view metadata) {
  const std::string end = LittleEndian(kContinuation) + LittleEndian(0);
  for (const std::string& part : {end, ArrowBodyTrailer(metadata)}) {
    if (const auto refusal = put.body.Append(AsBytes(part))) return refusal;
  }
  return std::nullopt;
}

void FlightReceiver::Accept(FlightPut put, std::string_view signal, IngestRequest request,
                            Reply reply) {
  request.received_at = clock_.WallNow();
  request.request_id = put.request_id;
  BudgetedBuffer::Contents contents = std::move(put.body).Finish();
  request.body = contents.bytes;
  request.owner = std::move(contents.owner);
  request.hold = std::move(contents.hold);
  put.body = BudgetedBuffer();
  ingest_.Accept(std::move(request), [this, put = std::move(put), signal,
                                      reply = std::move(reply)](IngestAnswer ingested) mutable {
    FlightAnswer answer = AnswerOf(ingested);
    if (!put.entry.empty()) {
      entries_.End(put.entry, answer.code == FlightCode::kOk ? EntryWindow::Outcome::kDurable
                                                             : EntryWindow::Outcome::kFailed);
    }
    End(put, signal, answer);
    reply(std::move(answer));
  });
}

void FlightReceiver::End(const FlightPut& put, std::string_view signal,
                         const FlightAnswer& answer) {
  events_.Count("signaldb_writer_requests_total", 1,
                {{"source", "flight"}, {"signal", signal}, {"outcome", ToString(answer.code)}});
  const std::chrono::duration<double> elapsed = clock_.MonotonicNow() - put.started;
  events_.Observe("signaldb_writer_request_duration_seconds", elapsed.count(),
                  {{"source", "flight"}});
  if (answer.code == FlightCode::kOk) return;
  const Severity severity =
      answer.code == FlightCode::kInternal ? Severity::kError : Severity::kDebug;
  if (!events_.Wants("flight", severity)) return;
  events_.Log({.severity = severity,
               .module = "flight",
               .message = "put refused",
               .fields = {{"request_id", put.request_id},
                          {"signal", std::string(signal)},
                          {"outcome", std::string(ToString(answer.code))},
                          {"error", answer.message}}});
}

void FlightReceiver::FlushScope(std::string_view tenant, std::string_view dataset, Reply reply) {
  if (tenant.empty()) return reply(Invalid("name the tenant in the metadata x-tenant-id"));
  if (!IsValidTenantOrDataset(tenant) || (!dataset.empty() && !IsValidTenantOrDataset(dataset))) {
    return reply(Invalid("a name must be 1 to 64 of [A-Za-z0-9_-] key=x-tenant-id,x-dataset-id"));
  }
  flush_(tenant, dataset, kFlushWait, [reply = std::move(reply)](const Status& flushed) mutable {
    if (flushed) return reply({});
    reply({FlightCode::kUnavailable, flushed.error().message});
  });
}

}  // namespace signaldb
