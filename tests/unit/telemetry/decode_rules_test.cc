// One row of a table a rule, written as OTLP/JSON because that can be read.
#include <map>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "table_rows.h"
#include "telemetry/decode.h"
#include "testing/matchers.h"
#include "testing/otlp_samples.h"

namespace signaldb {
namespace {

using testing::AsBytes;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::TableRow;

constexpr std::int64_t kReceivedAt = 1'763'816'400'123'456'789;  // 2025-11-22T13:00:00.123456789Z
constexpr const char* kDay = "20414";

DecodeOptions Options() { return {.received_at = Nanos{kReceivedAt}}; }

Result<DecodedRequest> DecodeJson(Signal signal, const std::string& json) {
  return DecodeMessage(signal, MessageEncoding::kJson, AsBytes(json), Options());
}

std::string LogRequest(const std::string& record) {
  return R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{)" + record + "}]}]}]}";
}
std::string SpanRequest(const std::string& span) {
  return R"({"resourceSpans":[{"scopeSpans":[{"spans":[{)" + span + "}]}]}]}";
}
std::string MetricRequest(const std::string& metric) {
  return R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m",)" + metric + "}]}]}]}";
}

/// The reasons and counts of a request's notes.
std::map<std::string, std::int64_t> Notes(const DecodedRequest& request) {
  std::map<std::string, std::int64_t> notes;
  for (const auto& note : request.notes) notes[std::string(note.reason)] = note.count;
  return notes;
}

/// A record, what its row says in some columns, and what is noted. No columns: no row.
struct Rule {
  const char* name;
  std::string record;
  std::map<std::string, std::string> cells;
  std::map<std::string, std::int64_t> notes;
};

void Check(Signal signal, const std::string& request, const Rule& rule) {
  SCOPED_TRACE(rule.name);
  const auto decoded = DecodeJson(signal, request);
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(Notes(*decoded), rule.notes);
  if (rule.cells.empty()) {
    EXPECT_TRUE(decoded->tables.empty());
    return;
  }
  ASSERT_EQ(decoded->tables.size(), 1U);
  const auto rows = testing::RowsOf(*decoded->tables[0].rows);
  ASSERT_EQ(rows.size(), 1U);
  for (const auto& [column, cell] : rule.cells) EXPECT_EQ(rows[0].at(column), cell) << column;
}

const std::string kTime = R"("timeUnixNano":"1763816400000000001")";

TEST(DecodeRules, OfTime) {
  const std::string received = "1763816400123456";
  const std::vector<Rule> rules = {
      {"in the window, rounded down",
       R"("timeUnixNano":"1763816400000000999")",
       {{"timestamp", "1763816400000000"},
        {"time_unix_nano", "1763816400000000999"},
        {"date_day", kDay},
        {"hour", "13"},
        {"observed_timestamp", "null"}},
       {}},
      {"observed time if there is none",
       R"("observedTimeUnixNano":1763816400000001000)",
       {{"timestamp", "1763816400000001"},
        {"observed_timestamp", "1763816400000001"},
        {"time_unix_nano", "0"}},
       {}},
      {"receive time if there is no other",
       R"("flags":1)",
       {{"timestamp", received}},
       {{"zero", 1}}},
      {"last instant before the window",
       R"("timeUnixNano":"946684799999999999")",
       {{"timestamp", received}, {"time_unix_nano", "946684799999999999"}},
       {{"past", 1}}},
      {"first instant of the window",
       R"("timeUnixNano":"946684800000000000")",
       {{"timestamp", "946684800000000"}, {"hour", "0"}},
       {}},
      {"last instant of the window",
       R"("timeUnixNano":"1763902800123456789")",
       {{"timestamp", "1763902800123456"}},
       {}},
      {"first instant after the window",
       R"("timeUnixNano":"1763902800123456790")",
       {{"timestamp", received}},
       {{"future", 1}}},
      {"absurd time is not replaced by the observed one",
       R"("timeUnixNano":"1","observedTimeUnixNano":"1763816400000000000")",
       {{"timestamp", received}, {"observed_timestamp", "1763816400000000"}},
       {{"past", 1}}},
      {"largest long",
       R"("timeUnixNano":"9223372036854775807")",
       {{"time_unix_nano", "9223372036854775807"}},
       {{"future", 1}}},
      {"above the largest long",
       R"("timeUnixNano":"9223372036854775808")",
       {{"time_unix_nano", "9223372036854775807"}},
       {{"future", 1}, {"time_overflow", 1}}},
  };
  for (const auto& rule : rules) Check(Signal::kLogs, LogRequest(rule.record), rule);
}

TEST(DecodeRules, OfAnyValues) {
  const auto body = [](const std::string& value) { return kTime + R"(,"body":)" + value; };
  const std::vector<Rule> rules = {
      {"string", body(R"({"stringValue":"a\"b"})"), {{"body", "'a\"b'"}}, {}},
      {"empty string", body(R"({"stringValue":""})"), {{"body", "''"}}, {}},
      {"bool", body(R"({"boolValue":true})"), {{"body", "'true'"}}, {}},
      {"int",
       body(R"({"intValue":"-9223372036854775808"})"),
       {{"body", "'-9223372036854775808'"}},
       {}},
      {"double with point", body(R"({"doubleValue":1})"), {{"body", "'1.0'"}}, {}},
      {"double with exponent", body(R"({"doubleValue":1e300})"), {{"body", "'1e+300'"}}, {}},
      {"negative zero", body(R"({"doubleValue":-0.0})"), {{"body", "'-0.0'"}}, {}},
      {"infinity", body(R"({"doubleValue":"Infinity"})"), {{"body", "'+Inf'"}}, {}},
      {"not a number", body(R"({"doubleValue":"NaN"})"), {{"body", "'NaN'"}}, {}},
      {"bytes",
       body(R"({"bytesValue":"AQI="})"),
       {{"body", R"('{"$otlp_type":"bytes","base64":"AQI="}')"}},
       {}},
      {"array",
       body(R"({"arrayValue":{"values":[{"intValue":1},{"doubleValue":2},{"stringValue":"x"},{},
                      {"doubleValue":"-Infinity"}]}})"),
       {{"body", R"('[1,2.0,"x",null,"-Inf"]')"}},
       {}},
      {"empty array", body(R"({"arrayValue":{}})"), {{"body", "'[]'"}}, {}},
      {"kvlist, last of equal keys",
       body(R"({"kvlistValue":{"values":[{"key":"a","value":{"intValue":1}},
          {"key":"b","value":{"boolValue":false}},
          {"key":"a","value":{"stringValue":"\u0001\n"}}]}})"),
       {{"body", R"('{"b":false,"a":"\u0001\n"}')"}},
       {{"duplicate_attribute_key", 1}}},
      {"unset", body("{}"), {{"body", "null"}}, {}},
      {"absent", kTime, {{"body", "null"}}, {}},
      {"last of two variants", body(R"({"stringValue":"x","intValue":5})"), {{"body", "'5'"}}, {}},
      {"string index",
       body(R"({"stringValueStrindex":5})"),
       {{"body", "null"}},
       {{"string_index", 1}}},
      {"attributes",
       kTime + R"(,"attributes":[{"key":"a","value":{"intValue":1}},{"key":"n"},
          {"key":"a","value":{"stringValue":"last"}}])",
       {{"log_attributes", "{[1:a]='last' [1:n]=null }"}},
       {{"duplicate_attribute_key", 1}}},
  };
  for (const auto& rule : rules) Check(Signal::kLogs, LogRequest(rule.record), rule);
}

TEST(DecodeRules, OfIdsOfLogRecords) {
  const std::vector<Rule> rules = {
      {"right length, any case",
       kTime + R"(,"traceId":"0AF7651916CD43DD8448EB211C80319c","spanId":"00f067AA0ba902b7")",
       {{"trace_id", "'0af7651916cd43dd8448eb211c80319c'"}, {"span_id", "'00f067aa0ba902b7'"}},
       {}},
      {"zero",
       kTime + R"(,"traceId":"00000000000000000000000000000000")",
       {{"trace_id", "null"}},
       {}},
      {"wrong length",
       kTime + R"(,"traceId":"0af7","spanId":"00")",
       {{"trace_id", "null"}, {"span_id", "null"}},
       {{"invalid_id", 2}}},
  };
  for (const auto& rule : rules) Check(Signal::kLogs, LogRequest(rule.record), rule);
}

TEST(DecodeRules, OfSpans) {
  const std::string ids =
      R"("traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"00f067aa0ba902b7",)"
      R"("startTimeUnixNano":"1763816400000000000")";
  const std::vector<Rule> rules = {
      {"root",
       ids + R"(,"kind":2,"status":{"code":2,"message":"bad"})",
       {{"is_root", "true"},
        {"parent_span_id", "null"},
        {"span_kind", "'Server'"},
        {"span_kind_number", "2"},
        {"status_code", "'Error'"},
        {"status_message", "'bad'"},
        {"events", "'[]'"},
        {"links", "'[]'"},
        {"service_name", "'unknown'"}},
       {}},
      {"unknown enum numbers",
       ids + R"(,"kind":99,"status":{"code":-1})",
       {{"span_kind", "'Internal'"},
        {"span_kind_number", "99"},
        {"status_code", "'Unspecified'"},
        {"status_code_number", "-1"}},
       {}},
      {"end before start",
       ids + R"(,"endTimeUnixNano":"1763816399999999999")",
       {{"duration_nanos", "0"}, {"end_time_unix_nano", "1763816399999999999"}},
       {}},
      {"flags above 2^31", ids + R"(,"flags":4294967295)", {{"flags", "-1"}}, {}},
      {"no ids",
       R"("startTimeUnixNano":"1763816400000000000")",
       {{"trace_id", "'00000000000000000000000000000000'"}, {"span_id", "'0000000000000000'"}},
       {{"zero_id", 2}}},
      {"zero parent",
       ids + R"(,"parentSpanId":"0000000000000000")",
       {{"is_root", "true"}, {"parent_span_id", "null"}},
       {}},
      {"parent of wrong length", ids + R"(,"parentSpanId":"0000")", {}, {{"invalid_id_length", 1}}},
      {"id of wrong length",
       R"("traceId":"0af7","spanId":"00f067aa0ba902b7")",
       {},
       {{"invalid_id_length", 1}}},
      {"events",
       ids + R"(,"events":[{"name":"e","timeUnixNano":"18446744073709551615"},
          {"attributes":[{"key":"k","value":{"doubleValue":1}}],"droppedAttributesCount":3}])",
       {{"events",
         R"('[{"name":"e","timestamp_unix_nano":18446744073709551615,"attributes_json":null},)"
         R"({"name":"","timestamp_unix_nano":0,"attributes_json":"{\"k\":1.0}",)"
         R"("dropped_attributes_count":3}]')"}},
       {}},
      {"links",
       ids + R"(,"links":[{"traceId":"0a","traceState":"s","flags":1}])",
       {{"links", R"('[{"trace_id":"0a","span_id":"","attributes_json":null,)"
                  R"("trace_state":"s","flags":1}]')"}},
       {}},
  };
  for (const auto& rule : rules) Check(Signal::kTraces, SpanRequest(rule.record), rule);
}

TEST(DecodeRules, OfMetrics) {
  const auto gauge = [](const std::string& point) {
    return R"("gauge":{"dataPoints":[{)" + kTime + "," + point + "}]}";
  };
  const auto histogram = [](const std::string& point) {
    return R"("histogram":{"aggregationTemporality":7,"dataPoints":[{)" + kTime + "," + point +
           "}]}";
  };
  const auto exponential = [](const std::string& point) {
    return R"("exponentialHistogram":{"dataPoints":[{)" + kTime + "," + point + "}]}";
  };
  const std::vector<Rule> rules = {
      {"integer above 2^53",
       gauge(R"("asInt":"9007199254740993")"),
       {{"value_int", "9007199254740993"},
        {"value", testing::RealCell(9007199254740992.0)},
        {"exemplars", "null"}},
       {}},
      {"no recorded value",
       gauge(R"("asInt":"5","flags":1)"),
       {{"value_int", "null"}, {"value", "NaN"}},
       {}},
      {"no value", gauge(R"("flags":0)"), {{"value_int", "null"}, {"value", "NaN"}}, {}},
      {"exemplar",
       gauge(
           R"("exemplars":[{"asDouble":"NaN","spanId":"00f067aa0ba902b7"},
              {"asInt":1,"traceId":"01"},{}])"),
       {{"exemplars", R"('[{"time_unix_nano":0,"value":"NaN","filtered_attributes":{},)"
                      R"("span_id":"00f067aa0ba902b7"},)"
                      R"({"time_unix_nano":0,"value":1,"filtered_attributes":{}},)"
                      R"({"time_unix_nano":0,"value":null,"filtered_attributes":{}}]')"}},
       {{"invalid_id", 1}}},
      {"sum",
       R"("sum":{"isMonotonic":true,"dataPoints":[{)" + kTime + R"(,"asDouble":1}]})",
       {{"is_monotonic", "true"}, {"aggregation_temporality", "0"}},
       {}},
      {"histogram",
       histogram(
           R"("count":3,"bucketCounts":["1","18446744073709551615"],"explicitBounds":[1],"sum":0)"),
       {{"bucket_counts", "'[1,18446744073709551615]'"},
        {"explicit_bounds", "'[1.0]'"},
        {"sum", testing::RealCell(0)},
        {"min", "null"},
        {"aggregation_temporality", "7"}},
       {}},
      {"histogram without buckets",
       histogram(R"("count":3)"),
       {{"bucket_counts", "'[]'"}, {"explicit_bounds", "'[]'"}},
       {}},
      {"histogram of odd shape",
       histogram(R"("bucketCounts":["1"],"explicitBounds":[1])"),
       {{"bucket_counts", "'[1]'"}},
       {{"histogram_shape", 1}}},
      {"largest count",
       histogram(R"("count":"9223372036854775807")"),
       {{"count", "9223372036854775807"}},
       {}},
      {"count above the largest long",
       histogram(R"("count":"9223372036854775808")"),
       {},
       {{"count_out_of_range", 1}}},
      {"zero count above the largest long",
       exponential(R"("zeroCount":"9223372036854775808")"),
       {},
       {{"count_out_of_range", 1}}},
      {"exponential sides",
       exponential(R"("positive":{},"scale":-3)"),
       {{"positive_offset", "0"},
        {"positive_bucket_counts", "'[]'"},
        {"negative_offset", "null"},
        {"negative_bucket_counts", "null"},
        {"scale", "-3"}},
       {}},
      {"summary",
       R"("summary":{"dataPoints":[{)" + kTime +
           R"(,"quantileValues":[{"quantile":0.5,"value":"NaN"}]}]})",
       {{"quantile_values", R"('[{"quantile":0.5,"value":"NaN"}]')"}, {"exemplars", "null"}},
       {}},
      {"no data", R"("unit":"s")", {}, {{"empty_metric", 1}}},
      {"no points", R"("gauge":{})", {}, {{"empty_metric", 1}}},
  };
  for (const auto& rule : rules) Check(Signal::kMetrics, MetricRequest(rule.record), rule);
}

TEST(DecodeRules, RejectARecordAndKeepTheOthers) {
  const std::string request = R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{)" + kTime + "},{" +
                              kTime + ",\"severityText\":\"\xff\"},{" + kTime + "}]}]}]}";
  const auto decoded = DecodeJson(Signal::kLogs, request);
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->accepted, 2);
  EXPECT_EQ(decoded->rejected, 1);
  EXPECT_EQ(Notes(*decoded), (std::map<std::string, std::int64_t>{{"invalid_utf8", 1}}));
  EXPECT_THAT(decoded->rejection_message, ::testing::HasSubstr("1 log records rejected"));
}

TEST(DecodeRules, RejectAllRecordsOfAResourceThatIsNotUtf8) {
  const std::string request =
      "{\"resourceLogs\":[{\"schemaUrl\":\"\xff\",\"scopeLogs\":[{\"logRecords\":[{},{}]}]},"
      R"({"scopeLogs":[{"logRecords":[{)" +
      kTime + "}]}]}]}";
  const auto decoded = DecodeJson(Signal::kLogs, request);
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->accepted, 1);
  EXPECT_EQ(Notes(*decoded), (std::map<std::string, std::int64_t>{{"invalid_utf8", 2}}));
}

TEST(DecodeRules, AnEmptyRequestSucceeds) {
  for (const Signal signal : {Signal::kLogs, Signal::kTraces, Signal::kMetrics}) {
    const auto protobuf = DecodeMessage(signal, MessageEncoding::kProtobuf, {}, Options());
    ASSERT_THAT(protobuf, IsOk());
    EXPECT_TRUE(protobuf->tables.empty());
    EXPECT_THAT(DecodeJson(signal, "{}"), IsOk());
  }
}

TEST(DecodeJson, RefusesWhatIsNotOtlpJson) {
  const std::vector<std::string> bad = {
      "",
      "[]",
      "null",
      "{",
      "{}x",
      R"({"resourceLogs":{}})",
      R"({"resourceLogs":[5]})",
      R"({"resourceLogs":[{"schemaUrl":5}]})",
      LogRequest(R"("severityNumber":"SEVERITY_NUMBER_INFO")"),
      LogRequest(R"("severityNumber":"9")"),
      LogRequest(R"("timeUnixNano":-1)"),
      LogRequest(R"("timeUnixNano":"18446744073709551616")"),
      LogRequest(R"("timeUnixNano":"1.5")"),
      LogRequest(R"("flags":4294967296)"),
      LogRequest(R"("traceId":"abc")"),
      LogRequest(R"("traceId":"zz")"),
      LogRequest(R"("body":{"doubleValue":1e400})"),
      LogRequest(R"("body":{"doubleValue":"inf"})"),
      LogRequest(R"("body":{"boolValue":"true"})"),
      LogRequest(R"("body":{"bytesValue":"*"})"),
      LogRequest(R"("body":{"bytesValue":"AAAAA"})"),
      LogRequest(R"("body":{"stringValue":"\ud800"})"),
      LogRequest(R"("body":{"stringValue":7})"),
      std::string("{}\0{}", 5),
  };
  for (const auto& json : bad)
    EXPECT_THAT(DecodeJson(Signal::kLogs, json), IsError(ErrorKind::kInvalid)) << json;
}

TEST(DecodeJson, TakesWhatTheRulesAllow) {
  const std::vector<std::string> good = {
      R"({"unknown":[1,{"x":1e5}],"resourceLogs":null})",
      R"({"resource_logs":5})",
      LogRequest(R"("timeUnixNano":1.7e18)"),
      LogRequest(R"("severityNumber":1e1)"),
      LogRequest(R"("body":{"doubleValue":1e-400})"),
      LogRequest(R"("body":{"doubleValue":"1.5"})"),
      LogRequest(R"("body":null,"attributes":null)"),
      LogRequest(R"("body":{"bytesValue":"_-8"})"),
      LogRequest(R"("body":{"stringValue":"\ud83d\ude00"})"),
      LogRequest(R"("body":{"intValue":"5"},"body":{"intValue":"6"})"),
  };
  for (const auto& json : good) EXPECT_THAT(DecodeJson(Signal::kLogs, json), IsOk()) << json;
}

TEST(DecodeJson, SurvivesAnyDepth) {
  constexpr std::size_t kDeep = 1'000'000;
  const std::string open = std::string(kDeep, '[') + std::string(kDeep, ']');
  EXPECT_THAT(DecodeJson(Signal::kLogs, R"({"unknown":)" + open + "}"), IsOk());
  EXPECT_THAT(DecodeJson(Signal::kLogs, open), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(DecodeJson(Signal::kLogs, std::string(kDeep, '[')), IsError(ErrorKind::kInvalid));
  std::string value = R"({"intValue":1})";
  for (int i = 0; i < 5'000; ++i) value = R"({"arrayValue":{"values":[)" + value + "]}}";
  const auto decoded = DecodeJson(Signal::kLogs, LogRequest(R"("body":)" + value));
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(Notes(*decoded).at("too_deep"), 1);
}

TEST(DecodeLimits, DepthOfValues) {
  for (const int depth : {31, 32, 33, 320}) {
    std::string value = R"({"intValue":1})";
    for (int i = 1; i < depth; ++i) value = R"({"arrayValue":{"values":[)" + value + "]}}";
    const auto decoded = DecodeJson(Signal::kLogs, LogRequest(kTime + R"(,"body":)" + value));
    ASSERT_THAT(decoded, IsOk());
    EXPECT_EQ(decoded->rejected, depth > 32 ? 1 : 0) << depth;
  }
}

TEST(DecodeLimits, AttributesOfARecord) {
  for (const int count : {1'023, 1'024, 1'025, 100'000}) {
    const auto body = testing::MakeOtlpRequest(
        Signal::kLogs, {.resources = 1, .records = 1, .record_attributes = count});
    const auto decoded =
        DecodeMessage(Signal::kLogs, MessageEncoding::kProtobuf, AsBytes(body), Options());
    ASSERT_THAT(decoded, IsOk());
    EXPECT_EQ(decoded->rejected, count > 1'024 ? 1 : 0) << count;
  }
}

TEST(DecodeLimits, RecordsOfARequest) {
  auto options = Options();
  options.records_max = 100;
  for (const int count : {99, 100, 101, 100'000}) {
    const auto body = testing::MakeOtlpRequest(Signal::kMetrics, {.records = count});
    const auto decoded =
        DecodeMessage(Signal::kMetrics, MessageEncoding::kProtobuf, AsBytes(body), options);
    if (count <= 100) {
      EXPECT_THAT(decoded, IsOk());
    } else {
      EXPECT_THAT(decoded, IsErrorSaying(ErrorKind::kInvalid, "too many records"));
    }
  }
}

TEST(DecodeLimits, SharedAttributesThatRecordsRepeat) {
  // A resource of 1,000 attributes on 40,000 empty records: 100 KiB that would become 40 million
  // map entries.
  std::string body = testing::MakeOtlpRequest(
      Signal::kLogs, {.resources = 1, .records = 0, .resource_attributes = 1'000});
  std::string scope;
  for (int i = 0; i < 40'000; ++i) scope += std::string("\x12\x00", 2);
  const auto delimited = [](char tag, const std::string& bytes) {
    std::string field(1, tag);
    std::size_t size = bytes.size();
    for (; size >= 0x80; size >>= 7) field += static_cast<char>(size | 0x80);
    return field + static_cast<char>(size) + bytes;
  };
  // The part of the sample after the tag and length of its only resource.
  std::size_t start = 1;
  while ((body[start] & 0x80) != 0) ++start;
  body = delimited('\x0a', body.substr(start + 1) + delimited('\x12', scope));
  EXPECT_THAT(DecodeMessage(Signal::kLogs, MessageEncoding::kProtobuf, AsBytes(body), Options()),
              IsErrorSaying(ErrorKind::kInvalid, "repeats too many shared attributes"));
}

}  // namespace
}  // namespace signaldb
