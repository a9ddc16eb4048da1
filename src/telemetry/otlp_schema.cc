#include "telemetry/otlp_schema.h"

#include <array>

#include "signaldb/result.h"

namespace signaldb {
namespace {

using enum OtlpType;

constexpr OtlpField One(std::string_view name, std::uint32_t number, const OtlpMessage& message) {
  return {name, number, kMessage, &message, false};
}
constexpr OtlpField Many(std::string_view name, std::uint32_t number, const OtlpMessage& message) {
  return {name, number, kMessage, &message, true};
}
constexpr OtlpField Numbers(std::string_view name, std::uint32_t number, OtlpType type) {
  return {name, number, type, nullptr, true};
}

// AnyValue contains itself, so it is declared before it is defined.
extern const OtlpMessage kAnyValue;
extern const OtlpMessage kKeyValue;

constexpr auto kArrayFields = std::to_array<OtlpField>({Many("values", 1, kAnyValue)});
constexpr OtlpMessage kArrayValue{kArrayFields};
constexpr auto kKvlistFields = std::to_array<OtlpField>({Many("values", 1, kKeyValue)});
constexpr OtlpMessage kKvlist{kKvlistFields};

constexpr auto kAnyValueFields = std::to_array<OtlpField>({
    {"stringValue", 1, kString},
    {"boolValue", 2, kBool},
    {"intValue", 3, kInt64},
    {"doubleValue", 4, kDouble},
    One("arrayValue", 5, kArrayValue),
    One("kvlistValue", 6, kKvlist),
    {"bytesValue", 7, kBase64Bytes},
    {"stringValueStrindex", 8, kInt32},
});
constexpr OtlpMessage kAnyValue{kAnyValueFields};

constexpr auto kKeyValueFields = std::to_array<OtlpField>({
    {"key", 1, kString},
    One("value", 2, kAnyValue),
    {"keyStrindex", 3, kInt32},
});
constexpr OtlpMessage kKeyValue{kKeyValueFields};

constexpr auto kResourceFields = std::to_array<OtlpField>({
    Many("attributes", 1, kKeyValue),
    {"droppedAttributesCount", 2, kUint32},
});
constexpr OtlpMessage kResource{kResourceFields};

constexpr auto kScopeFields = std::to_array<OtlpField>({
    {"name", 1, kString},
    {"version", 2, kString},
    Many("attributes", 3, kKeyValue),
    {"droppedAttributesCount", 4, kUint32},
});
constexpr OtlpMessage kScope{kScopeFields};

constexpr auto kLogRecordFields = std::to_array<OtlpField>({
    {"timeUnixNano", 1, kFixed64},
    {"severityNumber", 2, kEnum},
    {"severityText", 3, kString},
    One("body", 5, kAnyValue),
    Many("attributes", 6, kKeyValue),
    {"droppedAttributesCount", 7, kUint32},
    {"flags", 8, kFixed32},
    {"traceId", 9, kHexBytes},
    {"spanId", 10, kHexBytes},
    {"observedTimeUnixNano", 11, kFixed64},
    {"eventName", 12, kString},
});
constexpr OtlpMessage kLogRecord{kLogRecordFields};

constexpr auto kEventFields = std::to_array<OtlpField>({
    {"timeUnixNano", 1, kFixed64},
    {"name", 2, kString},
    Many("attributes", 3, kKeyValue),
    {"droppedAttributesCount", 4, kUint32},
});
constexpr OtlpMessage kEvent{kEventFields};

constexpr auto kLinkFields = std::to_array<OtlpField>({
    {"traceId", 1, kHexBytes},
    {"spanId", 2, kHexBytes},
    {"traceState", 3, kString},
    Many("attributes", 4, kKeyValue),
    {"droppedAttributesCount", 5, kUint32},
    {"flags", 6, kFixed32},
});
constexpr OtlpMessage kLink{kLinkFields};

constexpr auto kStatusFields = std::to_array<OtlpField>({
    {"message", 2, kString},
    {"code", 3, kEnum},
});
constexpr OtlpMessage kStatus{kStatusFields};

constexpr auto kSpanFields = std::to_array<OtlpField>({
    {"traceId", 1, kHexBytes},
    {"spanId", 2, kHexBytes},
    {"traceState", 3, kString},
    {"parentSpanId", 4, kHexBytes},
    {"name", 5, kString},
    {"kind", 6, kEnum},
    {"startTimeUnixNano", 7, kFixed64},
    {"endTimeUnixNano", 8, kFixed64},
    Many("attributes", 9, kKeyValue),
    {"droppedAttributesCount", 10, kUint32},
    Many("events", 11, kEvent),
    {"droppedEventsCount", 12, kUint32},
    Many("links", 13, kLink),
    {"droppedLinksCount", 14, kUint32},
    One("status", 15, kStatus),
    {"flags", 16, kFixed32},
});
constexpr OtlpMessage kSpan{kSpanFields};

constexpr auto kExemplarFields = std::to_array<OtlpField>({
    {"timeUnixNano", 2, kFixed64},
    {"asDouble", 3, kDouble},
    {"spanId", 4, kHexBytes},
    {"traceId", 5, kHexBytes},
    {"asInt", 6, kSfixed64},
    Many("filteredAttributes", 7, kKeyValue),
});
constexpr OtlpMessage kExemplar{kExemplarFields};

constexpr auto kNumberPointFields = std::to_array<OtlpField>({
    {"startTimeUnixNano", 2, kFixed64},
    {"timeUnixNano", 3, kFixed64},
    {"asDouble", 4, kDouble},
    Many("exemplars", 5, kExemplar),
    {"asInt", 6, kSfixed64},
    Many("attributes", 7, kKeyValue),
    {"flags", 8, kUint32},
});
constexpr OtlpMessage kNumberPoint{kNumberPointFields};

constexpr auto kHistogramPointFields = std::to_array<OtlpField>({
    {"startTimeUnixNano", 2, kFixed64},
    {"timeUnixNano", 3, kFixed64},
    {"count", 4, kFixed64},
    {"sum", 5, kDouble},
    Numbers("bucketCounts", 6, kFixed64),
    Numbers("explicitBounds", 7, kDouble),
    Many("exemplars", 8, kExemplar),
    Many("attributes", 9, kKeyValue),
    {"flags", 10, kUint32},
    {"min", 11, kDouble},
    {"max", 12, kDouble},
});
constexpr OtlpMessage kHistogramPoint{kHistogramPointFields};

constexpr auto kBucketsFields = std::to_array<OtlpField>({
    {"offset", 1, kSint32},
    Numbers("bucketCounts", 2, kUint64),
});
constexpr OtlpMessage kBuckets{kBucketsFields};

constexpr auto kExponentialPointFields = std::to_array<OtlpField>({
    Many("attributes", 1, kKeyValue),
    {"startTimeUnixNano", 2, kFixed64},
    {"timeUnixNano", 3, kFixed64},
    {"count", 4, kFixed64},
    {"sum", 5, kDouble},
    {"scale", 6, kSint32},
    {"zeroCount", 7, kFixed64},
    One("positive", 8, kBuckets),
    One("negative", 9, kBuckets),
    {"flags", 10, kUint32},
    Many("exemplars", 11, kExemplar),
    {"min", 12, kDouble},
    {"max", 13, kDouble},
    {"zeroThreshold", 14, kDouble},
});
constexpr OtlpMessage kExponentialPoint{kExponentialPointFields};

constexpr auto kQuantileFields = std::to_array<OtlpField>({
    {"quantile", 1, kDouble},
    {"value", 2, kDouble},
});
constexpr OtlpMessage kQuantile{kQuantileFields};

constexpr auto kSummaryPointFields = std::to_array<OtlpField>({
    {"startTimeUnixNano", 2, kFixed64},
    {"timeUnixNano", 3, kFixed64},
    {"count", 4, kFixed64},
    {"sum", 5, kDouble},
    Many("quantileValues", 6, kQuantile),
    Many("attributes", 7, kKeyValue),
    {"flags", 8, kUint32},
});
constexpr OtlpMessage kSummaryPoint{kSummaryPointFields};

constexpr auto kGaugeFields = std::to_array<OtlpField>({Many("dataPoints", 1, kNumberPoint)});
constexpr OtlpMessage kGauge{kGaugeFields};

constexpr auto kSumFields = std::to_array<OtlpField>({
    Many("dataPoints", 1, kNumberPoint),
    {"aggregationTemporality", 2, kEnum},
    {"isMonotonic", 3, kBool},
});
constexpr OtlpMessage kSum{kSumFields};

constexpr auto kHistogramFields = std::to_array<OtlpField>({
    Many("dataPoints", 1, kHistogramPoint),
    {"aggregationTemporality", 2, kEnum},
});
constexpr OtlpMessage kHistogram{kHistogramFields};

constexpr auto kExponentialHistogramFields = std::to_array<OtlpField>({
    Many("dataPoints", 1, kExponentialPoint),
    {"aggregationTemporality", 2, kEnum},
});
constexpr OtlpMessage kExponentialHistogram{kExponentialHistogramFields};

constexpr auto kSummaryFields = std::to_array<OtlpField>({Many("dataPoints", 1, kSummaryPoint)});
constexpr OtlpMessage kSummary{kSummaryFields};

constexpr auto kMetricFields = std::to_array<OtlpField>({
    {"name", 1, kString},
    {"description", 2, kString},
    {"unit", 3, kString},
    One("gauge", 5, kGauge),
    One("sum", 7, kSum),
    One("histogram", 9, kHistogram),
    One("exponentialHistogram", 10, kExponentialHistogram),
    One("summary", 11, kSummary),
    Many("metadata", 12, kKeyValue),
});
constexpr OtlpMessage kMetric{kMetricFields};

/// ScopeLogs, ScopeSpans, ScopeMetrics.
constexpr std::array<OtlpField, 3> ScopeFields(std::string_view records,
                                               const OtlpMessage& message) {
  return {One("scope", 1, kScope), Many(records, 2, message), {"schemaUrl", 3, kString}};
}

/// ResourceLogs, ResourceSpans, ResourceMetrics.
constexpr std::array<OtlpField, 3> ResourceFields(std::string_view scopes,
                                                  const OtlpMessage& message) {
  return {One("resource", 1, kResource), Many(scopes, 2, message), {"schemaUrl", 3, kString}};
}

constexpr auto kScopeLogsFields = ScopeFields("logRecords", kLogRecord);
constexpr OtlpMessage kScopeLogs{kScopeLogsFields};
constexpr auto kResourceLogsFields = ResourceFields("scopeLogs", kScopeLogs);
constexpr OtlpMessage kResourceLogs{kResourceLogsFields};
constexpr auto kLogsFields = std::to_array<OtlpField>({Many("resourceLogs", 1, kResourceLogs)});
constexpr OtlpMessage kLogsRequest{kLogsFields};

constexpr auto kScopeSpansFields = ScopeFields("spans", kSpan);
constexpr OtlpMessage kScopeSpans{kScopeSpansFields};
constexpr auto kResourceSpansFields = ResourceFields("scopeSpans", kScopeSpans);
constexpr OtlpMessage kResourceSpans{kResourceSpansFields};
constexpr auto kTracesFields = std::to_array<OtlpField>({Many("resourceSpans", 1, kResourceSpans)});
constexpr OtlpMessage kTracesRequest{kTracesFields};

constexpr auto kScopeMetricsFields = ScopeFields("metrics", kMetric);
constexpr OtlpMessage kScopeMetrics{kScopeMetricsFields};
constexpr auto kResourceMetricsFields = ResourceFields("scopeMetrics", kScopeMetrics);
constexpr OtlpMessage kResourceMetrics{kResourceMetricsFields};
constexpr auto kMetricsFields =
    std::to_array<OtlpField>({Many("resourceMetrics", 1, kResourceMetrics)});
constexpr OtlpMessage kMetricsRequest{kMetricsFields};

}  // namespace

const OtlpMessage& RequestMessageOf(Signal signal) {
  switch (signal) {
    case Signal::kTraces:
      return kTracesRequest;
    case Signal::kLogs:
      return kLogsRequest;
    case Signal::kMetrics:
      return kMetricsRequest;
  }
  SIGNALDB_ASSERT(false);
}

}  // namespace signaldb
