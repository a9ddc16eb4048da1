// OTLP in JSON: the first byte picks the signal, the rest is the request.

#include "fuzz/fuzz_input.h"
#include "fuzz/fuzz_target.h"
#include "fuzz/otlp_rows.h"
#include "telemetry/otlp_json.h"

namespace signaldb::testing {
namespace {

constexpr std::string_view kTraces = R"json({"resourceSpans":[{"resource":{"attributes":[
{"key":"service.name","value":{"stringValue":"checkout"}}]},"schemaUrl":"u","scopeSpans":[{"scope":
{"name":"lib","version":"1"},"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C",
"spanId":"EEE19B7EC3C1B174","parentSpanId":"EEE19B7EC3C1B173","name":"GET /","flags":1,
"startTimeUnixNano":"1764000000000000000","endTimeUnixNano":1764000000000001000,"kind":2,
"traceState":"a=b","droppedEventsCount":3,"status":{"code":2,"message":"no"},"events":[
{"name":"e","timeUnixNano":"1764000000000000500","attributes":[{"key":"a",
"value":{"intValue":"-7"}}]}],
"links":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"}]}]}]}]})json";

constexpr std::string_view kLogs = R"json({"resourceLogs":[{"scopeLogs":[{"logRecords":[
{"timeUnixNano":"1764000000000000000","observedTimeUnixNano":"1764000000000000001",
"severityNumber":10,"severityText":"Info","traceId":"5b8efff798038103d269b633813fc60c",
"spanId":"eee19b7ec3c1b174","eventName":"n","body":{"kvlistValue":{"values":[{"key":"k","value":
{"arrayValue":{"values":[{"boolValue":true},{"doubleValue":"NaN"},{"doubleValue":1e-3},null,
{"bytesValue":"aGk="},{}]}}}]}},"attributes":[{"key":"x\u00e9\ud83d\ude00",
"value":{"stringValue":"\n"}},
{"key":"x","value":{"intValue":9223372036854775807}}]}]}]}]})json";

constexpr std::string_view kMetrics = R"json({"resourceMetrics":[{"scopeMetrics":[{"metrics":[
{"name":"g","unit":"By","description":"d","gauge":{"dataPoints":[{"asInt":"5",
"timeUnixNano":"1764000000000000000",
"exemplars":[{"asDouble":1.5,"timeUnixNano":"1","filteredAttributes":[]}]}]}},
{"name":"s","sum":{"aggregationTemporality":2,"isMonotonic":true,
"dataPoints":[{"asDouble":"Infinity"}]}},
{"name":"h","histogram":{"aggregationTemporality":1,"dataPoints":[{"count":"3","sum":2.5,"min":0,
"max":2,
"bucketCounts":["1",2,0],"explicitBounds":[1,2]}]}},
{"name":"e","exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[{"count":1,"scale":-2,
"zeroCount":"0","zeroThreshold":0.5,"positive":{"offset":-1,"bucketCounts":["1"]},"negative":{}}]}},
{"name":"q","summary":{"dataPoints":[{"count":2,"sum":3,"quantileValues":[{"quantile":0.5,
"value":1}]}]}}
]}]}]})json";

}  // namespace

void RunInput(std::string_view input) {
  FuzzInput in(input);
  const Signal signal = SignalOf(in.TakeByte());
  const bool accepted = CheckDecoding(signal, MessageEncoding::kJson, in.rest());
  const auto protobuf = OtlpJsonToProtobuf(signal, in.rest());
  if (!protobuf.has_value()) {
    SIGNALDB_ASSERT(!accepted);
    return;
  }
  // What we write ourselves is well-formed, and not much longer than what came.
  SIGNALDB_ASSERT(CheckDecoding(signal, MessageEncoding::kProtobuf, *protobuf));
  SIGNALDB_ASSERT(protobuf->size() <= 16 * in.rest().size());
}

std::vector<std::string> SeedInputs() {
  std::vector<std::string> seeds;
  char number = 0;
  for (const std::string_view json : {kTraces, kLogs, kMetrics}) {
    seeds.push_back(number++ + std::string(json));
  }
  return seeds;
}

}  // namespace signaldb::testing
