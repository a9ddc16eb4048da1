#include "testing/otlp_samples.h"

#include <array>

#include <fmt/format.h>
#include <protozero/pbf_writer.hpp>

namespace signaldb::testing {
namespace {

using protozero::pbf_writer;

constexpr auto kRecordKeys = std::to_array<std::string_view>(
    {kSampleSequence, "http.request.method", "http.route", "user.id", "http.response.status_code",
     "code.function", "thread.name", "session.id"});
constexpr auto kResourceKeys = std::to_array<std::string_view>(
    {"service.name", "service.version", "host.name", "k8s.pod.name", "k8s.namespace.name",
     "deployment.environment", "cloud.region", "telemetry.sdk.language"});
constexpr auto kMethods = std::to_array<std::string_view>({"GET", "POST", "PUT", "DELETE"});
constexpr auto kSeverities = std::to_array<std::pair<std::string_view, int>>(
    {{"INFO", 9}, {"INFO", 9}, {"WARN", 13}, {"ERROR", 17}});
constexpr int kPointsPerMetric = 10;
constexpr std::uint64_t kMillisecond = 1'000'000;

/// SplitMix64: small, and the same everywhere.
class SampleRandom {
 public:
  explicit SampleRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  std::uint64_t Below(std::uint64_t n) { return Next() % n; }
  double Fraction() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  std::string Bytes(std::size_t count) {
    std::string bytes(count, '\0');
    for (char& byte : bytes) byte = static_cast<char>(Next());
    if (!bytes.empty()) bytes[0] = static_cast<char>(bytes[0] | 1);  // An id must not be all zero.
    return bytes;
  }

 private:
  std::uint64_t state_;
};

/// Writes one request, record by record.
class SampleWriter {
 public:
  explicit SampleWriter(const OtlpSampleOptions& options)
      : options_(options), random_(options.seed) {}

  std::string Write(Signal signal);

 private:
  static void AddAttribute(pbf_writer& parent, protozero::pbf_tag_type tag, std::string_view key,
                           std::string_view value) {
    pbf_writer pair(parent, tag);
    pair.add_string(1, key.data(), key.size());
    pbf_writer any(pair, 2);
    any.add_string(1, value.data(), value.size());
  }

  std::string RecordValue(std::size_t attribute, std::uint64_t sequence);
  void AddRecordAttributes(pbf_writer& record, protozero::pbf_tag_type tag, std::uint64_t sequence);
  void AddResource(pbf_writer& parent, int number);
  void AddLog(pbf_writer& scope, std::uint64_t sequence);
  void AddSpan(pbf_writer& scope, std::uint64_t sequence);
  void AddMetric(pbf_writer& scope, std::uint64_t sequence, std::uint64_t points);
  void AddPoint(pbf_writer& data, std::uint64_t kind, std::uint64_t sequence);
  void AddHistogramPoint(pbf_writer& point, std::uint64_t sequence);
  void AddExponentialPoint(pbf_writer& point, std::uint64_t sequence);
  std::uint64_t TimeOf(std::uint64_t sequence) const {
    return options_.first_time_unix_nano + (sequence - options_.first_sequence) * kMillisecond;
  }

  const OtlpSampleOptions& options_;
  SampleRandom random_;
};

std::string SampleWriter::RecordValue(std::size_t attribute, std::uint64_t sequence) {
  switch (attribute) {
    case 0:
      return fmt::format("{}", sequence);
    case 1:
      return std::string(kMethods[random_.Below(kMethods.size())]);
    case 2:
      return fmt::format("/api/v1/items/{}", random_.Below(50));
    case 3:
      return fmt::format("user-{:06}", random_.Below(1'000'000));
    case 4:
      return random_.Below(20) == 0 ? "500" : "200";
    default:
      return fmt::format("value-{}", random_.Below(1'000));
  }
}

void SampleWriter::AddRecordAttributes(pbf_writer& record, protozero::pbf_tag_type tag,
                                       std::uint64_t sequence) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(options_.record_attributes); ++i) {
    const std::string key =
        i < kRecordKeys.size() ? std::string(kRecordKeys[i]) : fmt::format("key.{}", i);
    AddAttribute(record, tag, key, RecordValue(i, sequence));
  }
}

void SampleWriter::AddResource(pbf_writer& parent, int number) {
  pbf_writer resource(parent, 1);
  for (std::size_t i = 0; i < static_cast<std::size_t>(options_.resource_attributes); ++i) {
    const std::string key = i < kResourceKeys.size() ? std::string(kResourceKeys[i])
                                                     : fmt::format("resource.key.{}", i);
    AddAttribute(resource, 1, key, fmt::format("{}-{}", key.substr(key.rfind('.') + 1), number));
  }
}

void SampleWriter::AddLog(pbf_writer& scope, std::uint64_t sequence) {
  pbf_writer log(scope, 2);
  const auto& [text, number] = kSeverities[random_.Below(kSeverities.size())];
  log.add_fixed64(1, TimeOf(sequence));
  log.add_enum(2, number);
  log.add_string(3, text.data(), text.size());
  {
    const std::string body =
        fmt::format("request handled in {} ms, {} rows returned from shard {} of the order table",
                    random_.Below(500), random_.Below(10'000), random_.Below(16));
    pbf_writer any(log, 5);
    any.add_string(1, body);
  }
  AddRecordAttributes(log, 6, sequence);
  log.add_fixed32(8, 1);
  log.add_bytes(9, random_.Bytes(16));
  log.add_bytes(10, random_.Bytes(8));
  log.add_fixed64(11, TimeOf(sequence) + kMillisecond);
}

void SampleWriter::AddSpan(pbf_writer& scope, std::uint64_t sequence) {
  pbf_writer span(scope, 2);
  span.add_bytes(1, random_.Bytes(16));
  span.add_bytes(2, random_.Bytes(8));
  if (sequence % 4 != 0) span.add_bytes(4, random_.Bytes(8));
  span.add_string(5, fmt::format("GET /api/v1/items/{}", random_.Below(50)));
  span.add_enum(6, static_cast<std::int32_t>(1 + random_.Below(5)));
  span.add_fixed64(7, TimeOf(sequence));
  span.add_fixed64(8, TimeOf(sequence) + random_.Below(500 * kMillisecond));
  AddRecordAttributes(span, 9, sequence);
  if (sequence % 8 == 0) {
    pbf_writer event(span, 11);
    event.add_fixed64(1, TimeOf(sequence) + 1);
    event.add_string(2, "cache miss");
    AddAttribute(event, 3, "cache.key", fmt::format("item:{}", random_.Below(1'000)));
  }
  pbf_writer status(span, 15);
  status.add_enum(3, sequence % 20 == 0 ? 2 : 1);
}

void SampleWriter::AddHistogramPoint(pbf_writer& point, std::uint64_t sequence) {
  AddRecordAttributes(point, 9, sequence);
  std::array<std::uint64_t, 6> counts{};
  std::uint64_t total = 0;
  for (auto& count : counts) total += count = random_.Below(100);
  constexpr std::array<double, 5> kBounds = {0.005, 0.05, 0.5, 1, 5};
  point.add_fixed64(4, total);
  point.add_double(5, random_.Fraction() * 100);
  point.add_packed_fixed<std::uint64_t>(6, counts.begin(), counts.end());
  point.add_packed_fixed<double>(7, kBounds.begin(), kBounds.end());
  point.add_double(11, 0.001);
  point.add_double(12, 4.5);
}

void SampleWriter::AddExponentialPoint(pbf_writer& point, std::uint64_t sequence) {
  AddRecordAttributes(point, 1, sequence);
  std::array<std::uint64_t, 8> counts{};
  std::uint64_t total = 0;
  for (auto& count : counts) total += count = random_.Below(100);
  point.add_fixed64(4, total);
  point.add_double(5, random_.Fraction() * 100);
  point.add_sint32(6, 3);
  point.add_fixed64(7, 0);
  pbf_writer positive(point, 8);
  positive.add_sint32(1, -4);
  positive.add_packed_uint64(2, counts.begin(), counts.end());
}

void SampleWriter::AddPoint(pbf_writer& data, std::uint64_t kind, std::uint64_t sequence) {
  pbf_writer point(data, 1);
  point.add_fixed64(2, options_.first_time_unix_nano - 60'000 * kMillisecond);
  point.add_fixed64(3, TimeOf(sequence));
  switch (kind) {
    case 0:
      AddRecordAttributes(point, 7, sequence);
      point.add_double(4, random_.Fraction() * 1'000);
      return;
    case 1:
      AddRecordAttributes(point, 7, sequence);
      point.add_sfixed64(6, static_cast<std::int64_t>(random_.Below(1'000'000)));
      return;
    case 2:
      AddHistogramPoint(point, sequence);
      return;
    case 3:
      AddExponentialPoint(point, sequence);
      return;
    default:
      break;
  }
  AddRecordAttributes(point, 7, sequence);
  point.add_fixed64(4, random_.Below(1'000));
  point.add_double(5, random_.Fraction() * 100);
  for (const double quantile : {0.5, 0.9, 0.99}) {
    pbf_writer value(point, 6);
    value.add_double(1, quantile);
    value.add_double(2, random_.Fraction());
  }
}

void SampleWriter::AddMetric(pbf_writer& scope, std::uint64_t sequence, std::uint64_t points) {
  constexpr std::array<std::string_view, 5> kNames = {"system.memory.usage", "http.server.requests",
                                                      "http.server.duration", "db.client.duration",
                                                      "rpc.server.duration"};
  constexpr std::array<protozero::pbf_tag_type, 5> kTags = {5, 7, 9, 10, 11};
  const std::uint64_t kind = sequence / kPointsPerMetric % kNames.size();
  pbf_writer metric(scope, 2);
  metric.add_string(1, kNames[kind].data(), kNames[kind].size());
  metric.add_string(2, "A metric that somebody measured.");
  metric.add_string(3, "ms");
  pbf_writer data(metric, kTags[kind]);
  for (std::uint64_t i = 0; i < points; ++i) AddPoint(data, kind, sequence + i);
  const bool has_temporality = kind >= 1 && kind <= 3;
  if (has_temporality) data.add_enum(2, 2);
  if (kind == 1) data.add_bool(3, true);
}

std::string SampleWriter::Write(Signal signal) {
  std::string bytes;
  pbf_writer request(bytes);
  const int scopes = options_.resources * options_.scopes_per_resource;
  int written = 0;
  int scope_number = 0;
  for (int resource = 0; resource < options_.resources; ++resource) {
    pbf_writer resource_message(request, 1);
    AddResource(resource_message, resource);
    for (int scope = 0; scope < options_.scopes_per_resource; ++scope) {
      pbf_writer scope_message(resource_message, 2);
      {
        pbf_writer own(scope_message, 1);
        own.add_string(1, fmt::format("sample.library.{}", scope));
        own.add_string(2, "1.2.3");
      }
      const int end = static_cast<int>(std::int64_t{options_.records} * ++scope_number / scopes);
      while (written < end) {
        const std::uint64_t sequence =
            options_.first_sequence + static_cast<std::uint64_t>(written);
        const int points =
            signal == Signal::kMetrics ? std::min(end - written, kPointsPerMetric) : 1;
        switch (signal) {
          case Signal::kLogs:
            AddLog(scope_message, sequence);
            break;
          case Signal::kTraces:
            AddSpan(scope_message, sequence);
            break;
          case Signal::kMetrics:
            AddMetric(scope_message, sequence, static_cast<std::uint64_t>(points));
            break;
        }
        written += points;
      }
      scope_message.add_string(3, "https://opentelemetry.io/schemas/1.27.0");
    }
  }
  return bytes;
}

}  // namespace

std::string MakeOtlpRequest(Signal signal, const OtlpSampleOptions& options) {
  return SampleWriter(options).Write(signal);
}

}  // namespace signaldb::testing
