#include "service/life_cycle.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "adapters/flight/entry_window.h"
#include "adapters/flight/flight_receiver.h"
#include "adapters/flight/flight_server.h"
#include "adapters/http/http_server.h"
#include "adapters/local/local_file_io.h"
#include "adapters/otlp/otlp_grpc_server.h"
#include "adapters/otlp/otlp_http_handler.h"
#include "adapters/otlp/receiver.h"
#include "base/bounded_queue.h"
#include "base/memory_budget.h"
#include "iceberg/commit/metadata_cache.h"
#include "iceberg/commit/table_commit.h"
#include "log/durable_log.h"
#include "log/log_slice.h"
#include "pipeline/commit_scheduler.h"
#include "pipeline/ingest_pipeline.h"
#include "pipeline/log_entry.h"
#include "pipeline/poison_shelf.h"
#include "pipeline/queue_intake.h"
#include "pipeline/table_cuts.h"
#include "service/kafka_sources.h"
#include "service/locations.h"
#include "service/log_ownership.h"
#include "service/plain_rows.h"
#include "service/queue_sources.h"
#include "service/storage.h"
#include "service/version.h"
#include "writer/files_in_flight.h"
#include "writer/telemetry_tables.h"

namespace signaldb {

namespace {

constexpr std::string_view kModule = "service";
constexpr std::size_t kFlushesWaitingMax = 16;
constexpr Nanos kFlushOfFormerIdentity = std::chrono::seconds(2);
constexpr Nanos kGraceOfReceivers = std::chrono::seconds(5);
// What messages hold is half of the budget; the other half is for what a commit needs to sort and
// encode, for the transports' own buffers, and for what an allocator loses. Cuts begin at half of
// the messages' share, so that the next one can fill while the last one commits.
constexpr std::int64_t kMessagesDivisor = 2;
constexpr std::int64_t kPressureDivisor = 2 * kMessagesDivisor;
// Requests are refused when the next one does not fit, so a little room may be left by then.
constexpr int kNearlyFullDivisor = 16;

// Which tables the log's records go to; one line, no secrets.
std::string DestinationText(const ServiceConfiguration& values) {
  const bool memory = values.schema.catalog_type == CatalogType::kMemory;
  const std::string catalog =
      memory                                    ? "memory"
      : values.schema.sqlite_path.empty()       ? Redact(values.schema.catalog_uri)
      : values.schema.sqlite_path == ":memory:" ? "sqlite::memory:"
                                                : "sqlite://" + values.schema.sqlite_path;
  return fmt::format("catalog={} catalog_name={} warehouse={}", catalog, values.schema.catalog_name,
                     values.storage.warehouse);
}

ServicePlaces PlacesOf(const ServiceConfiguration& values) {
  const std::string& catalog = values.schema.sqlite_path;
  return {.log_dir = values.log.dir,
          .tables_dir = PathOfFileLocation(values.storage.warehouse).value_or(""),
          .sqlite_path = catalog == ":memory:" ? "" : catalog};
}

struct FlushRequest {
  FlushScope scope;
  Nanos deadline;
  ServiceState::FlushDone done;
};

}  // namespace

// In the order of construction; destroyed from the bottom up.
struct Service::Parts {
  explicit Parts(std::int64_t budget_bytes) : budget(budget_bytes) {}

  MemoryBudget budget;
  std::unique_ptr<FileIo> io;
  std::unique_ptr<Catalog> catalog;
  std::unique_ptr<MetadataCache> cache;
  std::unique_ptr<FilesInFlight> in_flight;  // Null if nothing outlives the process.
  std::unique_ptr<TableCommitter> committer;
  std::unique_ptr<DurableLog> log;
  std::unique_ptr<LogSlice> newest;  // Of the log: the identity that takes new records.
  std::unique_ptr<CommitScheduler> scheduler;
  std::shared_ptr<SourceLane> log_lane;
  std::unique_ptr<IngestPipeline> pipeline;
  std::unique_ptr<QueueIntake> intake;
  std::vector<std::unique_ptr<Source>> sources;
  std::unique_ptr<OtlpReceiver> receiver;
  std::unique_ptr<OtlpHttpHandler> otlp_http_handler;
  std::unique_ptr<HttpServer> otlp_http;
  std::unique_ptr<GrpcServer> otlp_grpc;
  EntryWindow entries;
  std::unique_ptr<FlightReceiver> flight_receiver;
  std::unique_ptr<GrpcServer> flight;  // Null if it is switched off.
  BoundedQueue<FlushRequest> flushes{kFlushesWaitingMax};
  std::jthread flusher;
  std::unique_ptr<AdminHandler> admin_handler;
  std::unique_ptr<HttpServer> admin;
  bool stopped = false;
};

Service::Service(LoadedConfiguration configuration, Environment environment)
    : configuration_(std::move(configuration)),
      environment_(environment),
      parts_(std::make_unique<Parts>(configuration_.values.memory.budget / kMessagesDivisor)) {}

Service::~Service() {
  parts_->flushes.Close();
  // Servers first: their threads call into everything else.
  parts_->admin.reset();
  parts_->flight.reset();
  parts_->otlp_grpc.reset();
  parts_->otlp_http.reset();
  for (const std::unique_ptr<Source>& source : parts_->sources) source->StopDelivering();
  if (parts_->log != nullptr) parts_->log->Close();
  // Ends flushes that wait; the flusher is joined before the scheduler goes.
  if (parts_->scheduler != nullptr) (void)parts_->scheduler->Close(Nanos(0));
}

void Service::EnterPhase(std::string why_not_ready) {
  environment_.events.Gauge("signaldb_writer_ready", why_not_ready.empty() ? 1 : 0, {});
  const std::scoped_lock lock(phase_mutex_);
  was_ready_ |= why_not_ready.empty();
  why_not_ready_ = std::move(why_not_ready);
}

Status Service::OpenStorage() {
  SIGNALDB_ASSIGN(Storage storage, signaldb::OpenStorage(configuration_.values, environment_.files,
                                                         environment_.clock, environment_.random,
                                                         environment_.events));
  parts_->io = std::move(storage.io);
  parts_->catalog = std::move(storage.catalog);
  parts_->cache = std::move(storage.cache);
  parts_->committer = std::move(storage.committer);
  parts_->in_flight = std::move(storage.in_flight);
  return {};
}

Status Service::OpenLog() {
  const ServiceConfiguration& values = configuration_.values;
  SIGNALDB_TRY(environment_.files.MakeDirs(values.log.dir));
  SIGNALDB_ASSIGN(
      parts_->log,
      DurableLog::Open(environment_.files, environment_.clock, environment_.random,
                       environment_.events,
                       {.dir = values.log.dir,
                        .segment_bytes = static_cast<std::uint64_t>(values.log.segment_bytes),
                        .bytes_max = static_cast<std::uint64_t>(values.log.bytes_max)}));
  return ClaimLog(environment_.files, environment_.events, *parts_->log, values.log.dir,
                  DestinationText(values));
}

std::unique_ptr<CommitScheduler> Service::MakeScheduler() {
  const ServiceConfiguration& values = configuration_.values;
  const std::int64_t pressure = values.memory.budget / kPressureDivisor;
  const std::int64_t bytes_max =
      values.commit.max_uncommitted_bytes > 0 ? values.commit.max_uncommitted_bytes : pressure;
  return std::make_unique<CommitScheduler>(
      CutOptions{.interval = values.commit.interval,
                 .rows_max = values.commit.max_uncommitted_rows,
                 .bytes_max = std::min(bytes_max, pressure),
                 .partitions_max = static_cast<std::size_t>(values.commit.partitions_max),
                 .memory_pressure_bytes = pressure,
                 .stalled_bytes_max = pressure,
                 .datasets_max = static_cast<std::size_t>(values.commit.datasets_max),
                 .pace = values.retry},
      environment_.clock, environment_.random, environment_.events, parts_->budget,
      CommitIntoTables({*parts_->committer, *parts_->io, environment_.clock, environment_.random,
                        environment_.events, parts_->in_flight.get()},
                       FilesOf(values), TablesOf(values)));
}

std::unique_ptr<IngestPipeline> Service::MakePipeline(DurableLog& log,
                                                      std::shared_ptr<const SourceLane> lane) {
  return std::make_unique<IngestPipeline>(DecodingOf(configuration_.values), log, std::move(lane),
                                          *parts_->scheduler, environment_.clock,
                                          environment_.events, parts_->budget);
}

void Service::StartFlusher() {
  parts_->flusher = std::jthread([this] {
    while (std::optional<FlushRequest> request = parts_->flushes.Pop()) {
      request->done(parts_->scheduler->Flush(request->deadline, request->scope));
    }
  });
}

Status Service::StartAdmin() {
  parts_->admin_handler = std::make_unique<AdminHandler>(*this);
  SIGNALDB_ASSIGN(parts_->admin,
                  HttpServer::Start(*parts_->admin_handler, environment_.clock, environment_.events,
                                    {.listen = configuration_.values.admin.listen}));
  return {};
}

Status Service::Patiently(std::string_view doing, std::stop_token stop,
                          const std::function<Status()>& attempt) {
  EnterPhase(std::string(doing));
  RetryConfig pace = configuration_.values.retry;
  pace.max_attempts =
      std::numeric_limits<int>::max();  // A catalog that is away may come back at any time.
  Status status;
  for (Backoff backoff(pace, environment_.clock, environment_.random); backoff.Next(stop);) {
    status = attempt();
    if (status || !IsRetryable(status.error().kind)) return status;
    EnterPhase(fmt::format("{}: {}", doing, status.error().message));
  }
  return Fail(ErrorKind::kCancelled, fmt::format("stopped while {}", doing));
}

Status Service::CompareLogWithTables() {
  // Of a catalog in memory nothing is left to compare with.
  if (parts_->in_flight == nullptr) return {};
  DurableLog& log = *parts_->log;
  const LogIdentity newest = log.identities().back();
  SIGNALDB_ASSIGN(const SourcePosition highest,
                  HighestPositionInTables(*parts_->catalog, *parts_->committer, environment_.events,
                                          LogSourceKey(newest.uuid)));
  if (highest > log.last_durable()) {
    SIGNALDB_TRY(log.TakeNewIdentity(fmt::format(
        "the tables hold its positions up to {}, so it was put back from an older copy", highest)));
  } else if (log.trimmed() >= newest.first && highest < log.trimmed()) {
    environment_.events.Log(
        {.severity = Severity::kWarning,
         .module = kModule,
         .message = "the tables know less of the log than was committed: the catalog was put back "
                    "from an older copy, or tables were dropped, and their last rows are gone",
         .fields = {{"committed", std::to_string(log.trimmed())},
                    {"in_tables", std::to_string(highest)},
                    {"source", LogSourceKey(newest.uuid)}}});
  }
  return {};
}

Status Service::RememberEntries() {
  if (configuration_.values.flight.listen.empty()) return {};
  // From the very first record that is left: of what is in the tables already some may be there,
  // and come again too. Hence before anything is trimmed.
  return parts_->log->Replay(
      1, [&](Position, std::string_view header_bytes, std::span<const std::byte> body) -> Status {
        const Result<LogEntryHeader> header = DecodeLogEntryHeader(header_bytes);
        // A header that cannot be read is the replay's to report.
        if (header && header->encoding == MessageEncoding::kArrow)
          RememberPut(parts_->entries, header->tenant, header->dataset, body);
        return {};
      });
}

Status Service::RecoverFormerIdentity(const LogIdentity& identity, Position last,
                                      std::stop_token stop) {
  LogSlice slice(*parts_->log, {.first = identity.first, .last = last});
  const auto lane = OpenLogLane(identity, slice);
  const auto pipeline = MakePipeline(slice, lane);
  PoisonShelf poison(environment_.files, environment_.events,
                     configuration_.values.log.dir + "/poison");
  const Status status = Patiently(
      "committing what the log held before it was copied or put back", stop, [&]() -> Status {
        SIGNALDB_TRY(pipeline->Recover(CoverageInTables(*parts_->committer, lane), poison, stop));
        SIGNALDB_TRY(
            parts_->scheduler->Flush(environment_.clock.MonotonicNow() + kFlushOfFormerIdentity));
        return slice.Trim(last);
      });
  parts_->scheduler->CloseLane(*lane);
  return status;
}

std::shared_ptr<SourceLane> Service::OpenLogLane(const LogIdentity& identity, DurableLog& log) {
  return parts_->scheduler->OpenLane(LogSourceKey(identity.uuid), LaneOrder::kInOrder,
                                     [&log](const LaneProgress& progress) -> Status {
                                       SIGNALDB_TRY(log.Trim(progress.through));
                                       return log.ReleaseBetween(progress.held,
                                                                 progress.last_delivered);
                                     });
}

Status Service::Recover(std::stop_token stop) {
  parts_->scheduler = MakeScheduler();
  parts_->scheduler->Start();
  const std::vector<LogIdentity> identities = parts_->log->identities();
  for (std::size_t i = 0; i + 1 < identities.size(); ++i)
    SIGNALDB_TRY(RecoverFormerIdentity(identities[i], identities[i + 1].first - 1, stop));
  parts_->newest =
      std::make_unique<LogSlice>(*parts_->log, LogRange{.first = identities.back().first});
  parts_->log_lane = OpenLogLane(identities.back(), *parts_->newest);
  parts_->pipeline = MakePipeline(*parts_->newest, parts_->log_lane);
  StartFlusher();
  PoisonShelf poison(environment_.files, environment_.events,
                     configuration_.values.log.dir + "/poison");
  return Patiently("replaying the log", stop, [&] {
    return parts_->pipeline->Recover(CoverageInTables(*parts_->committer, parts_->log_lane), poison,
                                     stop);
  });
}

namespace {

// Reads a PEM file named in the configuration; an empty name gives an empty text.
Result<std::string> ReadPem(FileSystem& files, const std::string& path) {
  constexpr std::uint64_t kPemBytesMax = 1 << 20;
  if (path.empty()) return std::string();
  SIGNALDB_ASSIGN(const std::unique_ptr<File> file, files.Open(path, OpenMode::kRead));
  SIGNALDB_ASSIGN(const std::uint64_t size, file->Size());
  if (size > kPemBytesMax) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("certificate or key file is too large file={} bytes={}", path, size));
  }
  std::string text(size, '\0');
  SIGNALDB_ASSIGN(const std::size_t read, file->ReadAt(0, std::as_writable_bytes(std::span(text))));
  text.resize(read);
  return text;
}

}  // namespace

Status Service::Listen() {
  const ServiceConfiguration& values = configuration_.values;
  SIGNALDB_ASSIGN(const std::string certificate,
                  ReadPem(environment_.files, values.otlp.tls_cert_file));
  SIGNALDB_ASSIGN(const std::string key, ReadPem(environment_.files, values.otlp.tls_key_file));
  parts_->receiver = std::make_unique<OtlpReceiver>(
      *parts_->pipeline, parts_->budget, environment_.clock, environment_.random,
      environment_.events,
      OtlpReceiverOptions{
          .default_tenant = values.tenants.default_tenant,
          .default_dataset = values.tenants.default_dataset,
          .request_bytes_max = static_cast<std::uint64_t>(values.otlp.max_request_bytes)});
  parts_->otlp_http_handler = std::make_unique<OtlpHttpHandler>(*parts_->receiver);
  SIGNALDB_ASSIGN(
      parts_->otlp_http,
      HttpServer::Start(
          *parts_->otlp_http_handler, environment_.clock, environment_.events,
          {.listen = values.otlp.http_listen, .tls = {certificate, key}, .threads = 2}));
  SIGNALDB_ASSIGN(parts_->otlp_grpc,
                  StartOtlpGrpcServer(
                      *parts_->receiver,
                      {.listen = values.otlp.grpc_listen,
                       .certificate_pem = certificate,
                       .key_pem = key,
                       .memory_bytes_max = static_cast<std::size_t>(values.memory.budget / 2)}));
  return ListenToFlight();
}

Status Service::ListenToFlight() {
  const ServiceConfiguration& values = configuration_.values;
  if (values.flight.listen.empty()) return {};
  if (values.auth.internal_service_key.empty()) {
    environment_.events.Log({.severity = Severity::kWarning,
                             .module = kModule,
                             .message = "auth.internal_service_key is not set: anybody who reaches "
                                        "flight.listen may write",
                             .fields = {{"flight", values.flight.listen}}});
  }
  SIGNALDB_ASSIGN(const std::string certificate,
                  ReadPem(environment_.files, values.flight.tls_cert_file));
  SIGNALDB_ASSIGN(const std::string key, ReadPem(environment_.files, values.flight.tls_key_file));
  parts_->flight_receiver = std::make_unique<FlightReceiver>(
      *parts_->pipeline,
      [this](std::string_view tenant, std::string_view dataset, Nanos wait, FlushDone done) {
        FlushScope scope{.tenant = std::string(tenant), .dataset = {}};
        if (!dataset.empty()) scope.dataset = std::string(dataset);
        Flush(std::move(scope), wait, std::move(done));
      },
      [this](const IngestRequest& target, const std::string& table,
             const std::shared_ptr<arrow::RecordBatch>& rows) {
        return CheckPlainRows(*parts_->committer,
                              TableInDataset({target.tenant, target.dataset}, table), rows);
      },
      parts_->budget, parts_->entries, environment_.clock, environment_.random, environment_.events,
      FlightReceiverOptions{
          .default_tenant = values.tenants.default_tenant,
          .default_dataset = values.tenants.default_dataset,
          .put_bytes_max = static_cast<std::uint64_t>(values.flight.max_put_bytes),
          .service_key = values.auth.internal_service_key});
  SIGNALDB_ASSIGN(
      parts_->flight,
      StartFlightServer(*parts_->flight_receiver,
                        {.listen = values.flight.listen,
                         .certificate_pem = certificate,
                         .key_pem = key,
                         .memory_bytes_max = static_cast<std::size_t>(values.memory.budget / 2)}));
  return {};
}

Status Service::ReadQueues() {
  const ServiceConfiguration& values = configuration_.values;
  parts_->intake = std::make_unique<QueueIntake>(
      QueueIntakeOptions{
          .decode = DecodingOf(values),
          .dead_letters = {.message_bytes_max = values.dead_letters.message_bytes_max,
                           .bytes_max_per_hour = values.dead_letters.bytes_max_per_hour},
          .default_dataset = {.tenant = values.tenants.default_tenant,
                              .dataset = values.tenants.default_dataset}},
      *parts_->scheduler, environment_.clock, environment_.events, parts_->budget);
  parts_->sources = MakeQueueSources(configuration_.values,
                                     {environment_.files, environment_.clock, environment_.random,
                                      environment_.events, parts_->budget});
  SIGNALDB_ASSIGN(auto kafka,
                  MakeKafkaSources(configuration_.values,
                                   {environment_.clock, environment_.events, *parts_->committer}));
  std::ranges::move(kafka, std::back_inserter(parts_->sources));
  for (const std::unique_ptr<Source>& source : parts_->sources)
    SIGNALDB_TRY(source->Start(*parts_->intake));
  return {};
}

void Service::CloseQueues(Nanos deadline) {
  for (const std::unique_ptr<Source>& source : parts_->sources) {
    const Status closed = source->Close(deadline);
    if (closed.has_value()) continue;
    // Nothing is lost: the queue has the messages, and the tables know theirs.
    environment_.events.Log(
        {.severity = Severity::kWarning,
         .module = kModule,
         .message = "a queue was left with messages that will come again",
         .fields = {{"source", source->Name()}, {"error", closed.error().message}}});
  }
}

Status Service::Start(std::stop_token stop) {
  environment_.events.Gauge("signaldb_writer_memory_budget_bytes",
                            static_cast<double>(parts_->budget.bytes_max()), {});
  environment_.events.Gauge("signaldb_writer_build_info", 1, {{"version", Version()}});
  for (const std::string& warning : configuration_.warnings) {
    environment_.events.Log(
        {.severity = Severity::kWarning, .module = kModule, .message = warning, .fields = {}});
  }
  SIGNALDB_TRY(CheckPlaces(environment_.files, PlacesOf(configuration_.values)));
  SIGNALDB_TRY(OpenStorage());
  SIGNALDB_TRY(OpenLog());
  SIGNALDB_TRY(StartAdmin());
  SIGNALDB_TRY(Patiently("comparing the log with the tables", stop,
                         [this] { return CompareLogWithTables(); }));
  SIGNALDB_TRY(RememberEntries());
  SIGNALDB_TRY(Recover(stop));
  SIGNALDB_TRY(Listen());
  SIGNALDB_TRY(ReadQueues());
  EnterPhase("");
  environment_.events.Log(
      {.severity = Severity::kInfo,
       .module = kModule,
       .message = "ready",
       .fields = {{"otlp_grpc", parts_->otlp_grpc->address()},
                  {"otlp_http", parts_->otlp_http->address()},
                  {"flight", parts_->flight ? parts_->flight->address() : "off"},
                  {"admin", parts_->admin->address()},
                  {"storage", configuration_.values.storage.warehouse},
                  {"log", configuration_.values.log.dir}}});
  return {};
}

Status Service::Stop() {
  if (std::exchange(parts_->stopped, true)) return {};
  const Nanos deadline =
      environment_.clock.MonotonicNow() + configuration_.values.shutdown.deadline;
  const auto grace = [&] {
    return std::clamp(deadline - environment_.clock.MonotonicNow(), Nanos(0), kGraceOfReceivers);
  };
  EnterPhase("shutting down");
  environment_.events.Log(
      {.severity = Severity::kInfo, .module = kModule, .message = "draining", .fields = {}});
  if (parts_->receiver != nullptr) parts_->receiver->Drain();
  if (parts_->flight_receiver != nullptr) parts_->flight_receiver->Drain();
  if (parts_->flight != nullptr) parts_->flight->Stop(grace());
  if (parts_->otlp_grpc != nullptr) parts_->otlp_grpc->Stop(grace());
  if (parts_->otlp_http != nullptr) parts_->otlp_http->Stop(grace());
  for (const std::unique_ptr<Source>& source : parts_->sources) source->StopDelivering();
  if (parts_->log != nullptr) parts_->log->Close();
  Status status;
  if (parts_->scheduler != nullptr) status = parts_->scheduler->Close(deadline);
  CloseQueues(deadline);
  parts_->flushes.Close();
  if (parts_->admin != nullptr) parts_->admin->Stop(Nanos(0));
  if (status) {
    environment_.events.Log(
        {.severity = Severity::kInfo, .module = kModule, .message = "stopped", .fields = {}});
  } else {
    environment_.events.Log({.severity = Severity::kWarning,
                             .module = kModule,
                             .message = "stopped; the next start commits the rest from the log",
                             .fields = {{"error", status.error().message}}});
  }
  return status;
}

std::vector<ReadinessCheck> Service::CheckReadiness() {
  std::vector<ReadinessCheck> checks;
  {
    const std::scoped_lock lock(phase_mutex_);
    checks.push_back(
        {.name = "startup", .passes = why_not_ready_.empty(), .detail = why_not_ready_});
    if (!why_not_ready_.empty()) return checks;
  }
  const bool healthy = parts_->log->healthy();
  checks.push_back(
      {.name = "log", .passes = healthy, .detail = healthy ? "" : parts_->log->trouble()});
  const std::uint64_t used = parts_->log->bytes_on_disk();
  const auto most = static_cast<std::uint64_t>(configuration_.values.log.bytes_max);
  checks.push_back({.name = "log_space",
                    .passes = used < most - most / kNearlyFullDivisor,
                    .detail = fmt::format("bytes={} bytes_max={}", used, most)});
  const std::int64_t memory = parts_->budget.used();
  const std::int64_t budget = parts_->budget.bytes_max();
  checks.push_back({.name = "memory",
                    .passes = memory < budget - budget / kNearlyFullDivisor,
                    .detail = fmt::format("bytes={} bytes_max={} budget={}", memory, budget,
                                          configuration_.values.memory.budget)});
  std::string stalled;
  for (const std::string& dataset : parts_->scheduler->Stalled())
    stalled += (stalled.empty() ? "" : "; ") + dataset;
  for (const std::unique_ptr<Source>& source : parts_->sources) {
    const std::string trouble = source->Trouble();
    checks.push_back({.name = source->Name(), .passes = trouble.empty(), .detail = trouble});
  }
  checks.push_back({.name = "commits", .passes = stalled.empty(), .detail = stalled});
  return checks;
}

void Service::Flush(Nanos wait, FlushDone done) { Flush(FlushScope{}, wait, std::move(done)); }

void Service::Flush(FlushScope scope, Nanos wait, FlushDone done) {
  {
    const std::scoped_lock lock(phase_mutex_);
    if (!was_ready_) {
      return done(Fail(ErrorKind::kUnavailable,
                       fmt::format("not ready yet, try again later: {}", why_not_ready_)));
    }
  }
  FlushRequest request{std::move(scope), environment_.clock.MonotonicNow() + wait, std::move(done)};
  if (parts_->flushes.TryPush(std::move(request))) return;
  // NOLINTNEXTLINE(bugprone-use-after-move): a queue that does not take it leaves it untouched.
  request.done(
      Fail(ErrorKind::kUnavailable,
           fmt::format("too many flushes wait; try again later limit={}", kFlushesWaitingMax)));
}

std::string Service::MetricsText() { return environment_.events.MetricsText(); }

std::string Service::ConfigurationText() { return ShowAsToml(configuration_.shown); }

}  // namespace signaldb
