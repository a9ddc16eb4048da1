#include "telemetry/arrow_request.h"

#include <string>
#include <vector>

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <arrow/util/compression.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "table_rows.h"
#include "telemetry/put_metadata.h"
#include "testing/matchers.h"
#include "testing/otlp_samples.h"
#include "testing/wire_batches.h"

namespace signaldb {
namespace {

using testing::AsBytes;
using testing::IpcStream;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::NullCell;
using testing::NumberCell;
using testing::RealCell;
using testing::TableRow;
using testing::TextCell;
using testing::WireBatch;
using testing::WireMetadata;
using testing::WireSchema;

constexpr std::int64_t kReceivedAt = 1'763'816'400'123'456'789;
const std::string kTime = R"("time_unix_nano":1763816400000000001)";
const std::string kLog = kTime + R"(,"observed_time_unix_nano":0)";
const std::string kSpan =
    R"("trace_id":"0102030405060708090a0b0c0d0e0f10","span_id":"0102030405060708","name":"n",)"
    R"("service_name":"shop","start_time_unix_nano":1763816400000000001,)"
    R"("end_time_unix_nano":1763816400000000005,"duration_nano":4,"span_kind":"Server",)"
    R"("status_code":"Error","is_root":true)";

Result<DecodedRequest> Decode(Signal signal, const std::string& stream,
                              const std::string& metadata) {
  const std::string body = stream + ArrowBodyTrailer(metadata);
  return DecodeMessage(signal, MessageEncoding::kArrow, AsBytes(body),
                       {.received_at = Nanos{kReceivedAt}});
}

Result<DecodedRequest> DecodeRows(Signal signal, const std::string& rows,
                                  const std::string& more = "") {
  const auto schema = WireSchema(signal);
  return Decode(signal, IpcStream(schema, {WireBatch(schema, "[" + rows + "]")}),
                WireMetadata(signal, more));
}

/// The rows of the only table.
std::vector<TableRow> RowsOf(const Result<DecodedRequest>& decoded) {
  if (!decoded || decoded->tables.size() != 1) return {};
  EXPECT_TRUE(decoded->tables[0].rows->ValidateFull().ok());
  return testing::RowsOf(*decoded->tables[0].rows);
}

TEST(ArrowBody, ComesApartAsItWasPutTogether) {
  const std::string body = "stream" + ArrowBodyTrailer("{}");
  const auto parts = SplitArrowBody(AsBytes(body));
  ASSERT_THAT(parts, IsOk());
  EXPECT_EQ(parts->stream.size(), 6U);
  EXPECT_EQ(parts->metadata, "{}");
  for (const std::string bad : {"", "abc", "\x01\x00\x00"}) {
    EXPECT_THAT(SplitArrowBody(AsBytes(bad)), IsError(ErrorKind::kInvalid));
  }
  const std::string longer_than_itself("\x01\x00\x00\x00", 4);
  EXPECT_THAT(SplitArrowBody(AsBytes(longer_than_itself)), IsError(ErrorKind::kInvalid));
}

TEST(ArrowRequest, SaysNullWhereASpanHasNoSuchCellAndKeepsTheServiceBesideTheResource) {
  const auto rows = RowsOf(
      DecodeRows(Signal::kTraces, "{" + kSpan + R"(,"dropped_links_count":7},{)" + kSpan +
                                      R"(,"span_kind_number":9,"resource_json":"{\"a\":1}"})"));
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].at("service_name"), TextCell("shop"));
  EXPECT_EQ(rows[0].at("span_kind"), TextCell("Server"));
  EXPECT_EQ(rows[0].at("status_code"), TextCell("Error"));
  EXPECT_EQ(rows[0].at("span_kind_number"), NullCell());
  EXPECT_EQ(rows[0].at("status_code_number"), NullCell());
  EXPECT_EQ(rows[0].at("dropped_events_count"), NullCell());
  EXPECT_EQ(rows[0].at("dropped_links_count"), NumberCell(7));
  EXPECT_EQ(rows[0].at("flags"), NullCell());
  EXPECT_EQ(rows[0].at("scope_dropped_attributes_count"), NullCell());
  EXPECT_EQ(rows[0].at("duration_nanos"), NumberCell(4));
  EXPECT_EQ(rows[1].at("span_kind_number"), NumberCell(9));
  EXPECT_EQ(rows[1].at("span_kind"), TextCell("Internal"));
  EXPECT_EQ(rows[1].at("dropped_links_count"), NullCell());
}

TEST(ArrowRequest, FindsTheCellsOfRowsBehindARejectedOne) {
  const auto with_id = [](const std::string& id, const std::string& more) {
    std::string span = kSpan;
    span.replace(span.find("0102030405060708090a0b0c0d0e0f10"), 32, id);
    return "{" + span + more + "}";
  };
  const auto decoded =
      DecodeRows(Signal::kTraces,
                 with_id("0102030405060708090a0b0c0d0e0f10", "") + "," +
                     with_id("abc", R"(,"dropped_links_count":1)") + "," +
                     with_id("zz02030405060708090a0b0c0d0e0f10", "") + "," +
                     with_id("0102030405060708090a0b0c0d0e0f11", R"(,"dropped_links_count":2)"));
  const auto rows = RowsOf(decoded);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(decoded->rejected, 2);
  EXPECT_EQ(rows[0].at("dropped_links_count"), NullCell());
  EXPECT_EQ(rows[1].at("dropped_links_count"), NumberCell(2));
}

TEST(ArrowRequest, TakesSpansOfSendersThatDoNotKnowTheLastFiveColumns) {
  auto schema = WireSchema(Signal::kTraces);
  auto batch = WireBatch(schema, "[{" + kSpan + "}]");
  for (int i = 0; i < 5; ++i) batch = batch->RemoveColumn(22).ValueOrDie();
  const auto rows = RowsOf(
      Decode(Signal::kTraces, IpcStream(batch->schema(), {batch}), WireMetadata(Signal::kTraces)));
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].at("dropped_attributes_count"), NullCell());
}

TEST(ArrowRequest, UnwrapsLogsAndTheirScope) {
  const auto rows = RowsOf(DecodeRows(
      Signal::kLogs,
      "{" + kLog + R"(,"body":"\"plain\"","trace_id":"0102030405060708090a0b0c0d0e0f10",)" +
          R"("flags":4294967295,"scope_json":"{\"name\":\"s\",\"version\":\"2\",)" +
          R"(\"attributes\":{\"k\":true}}","resource_json":)" +
          R"("{\"attributes\":{\"service.name\":\"cart\"},\"schema_url\":\"u\"}"},{)" + kLog +
          R"(,"body":"{\"a\":1.0}","service_name":"","resource_json":"{\"attributes\":1}"})"));
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].at("body"), TextCell("plain"));
  EXPECT_EQ(rows[0].at("trace_id"), TextCell("0102030405060708090a0b0c0d0e0f10"));
  EXPECT_EQ(rows[0].at("trace_flags"), NumberCell(-1));
  EXPECT_EQ(rows[0].at("scope_name"), TextCell("s"));
  EXPECT_EQ(rows[0].at("scope_attributes"), testing::MapCell({{"k", "true"}}));
  EXPECT_EQ(rows[0].at("resource_schema_url"), TextCell("u"));
  EXPECT_EQ(rows[0].at("service_name"), TextCell("cart"));
  EXPECT_EQ(rows[0].at("severity_number"), NullCell());
  EXPECT_EQ(rows[1].at("body"), TextCell(R"({"a":1.0})"));
  EXPECT_EQ(rows[1].at("service_name"), TextCell("unknown"));
  EXPECT_EQ(rows[1].at("resource_attributes"), testing::MapCell({{"attributes", "1"}}));
}

std::string Metric(const std::string& type, const std::string& points) {
  std::string quoted;
  for (const char c : points) quoted += c == '"' ? std::string("\\\"") : std::string(1, c);
  return R"({"name":"m","start_time_unix_nano":5,)" + kTime + R"(,"metric_type":")" + type +
         R"(","data_json":")" + quoted + "\"}";
}

TEST(ArrowRequest, MakesARowOfEachPoint) {
  const auto rows = RowsOf(
      DecodeRows(Signal::kMetrics, Metric("gauge", R"([{"value":9007199254740993},{"value":0.5,)"
                                                   R"("time_unix_nano":"1763816400000001000"},)"
                                                   R"({"value":"-Inf"},{"value":null}])")));
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].at("value_int"), NumberCell(9007199254740993));
  EXPECT_EQ(rows[0].at("time_unix_nano"), NumberCell(1763816400000000001));
  EXPECT_EQ(rows[0].at("start_time_unix_nano"), NumberCell(5));
  EXPECT_EQ(rows[1].at("value"), RealCell(0.5));
  EXPECT_EQ(rows[1].at("value_int"), NullCell());
  EXPECT_EQ(rows[1].at("time_unix_nano"), NumberCell(1763816400000001000));
  EXPECT_EQ(rows[2].at("value"), RealCell(-std::numeric_limits<double>::infinity()));
  EXPECT_EQ(rows[3].at("value"), RealCell(std::numeric_limits<double>::quiet_NaN()));
}

TEST(ArrowRequest, PutsMetricsWhereTheirTypeOrTheSenderSays) {
  const std::string points = R"([{"value":1}])";
  struct Case {
    const char* more;
    const char* type;
    std::optional<TableKind> table;
  };
  const Case cases[] = {
      {"", "sum", TableKind::kMetricsSum},
      {R"(,"metric_type":"sum")", "gauge", TableKind::kMetricsSum},
      {R"(,"metric_type":"gauge","target_table":"metrics_sum")", "gauge", TableKind::kMetricsSum},
      {R"(,"target_table":"metrics_histogram")", "gauge", std::nullopt},
      {"", "graph", std::nullopt},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(std::string(one.more) + one.type);
    const auto decoded = DecodeRows(Signal::kMetrics, Metric(one.type, points), one.more);
    if (!one.table) {
      EXPECT_THAT(decoded, IsErrorSaying(ErrorKind::kInvalid, "column=metric_type row=0"));
      continue;
    }
    ASSERT_THAT(decoded, IsOk());
    ASSERT_EQ(decoded->tables.size(), 1U);
    EXPECT_EQ(decoded->tables[0].table, *one.table);
  }
}

TEST(ArrowRequest, NamesTheColumnAndTheRowThatCannotBeRead) {
  const std::string good = "{" + kLog + "},";
  const std::pair<std::string, std::string> cases[] = {
      {R"(,"attributes_json":"{")", "column=attributes_json row=1"},
      {R"(,"attributes_json":"[]")", "column=attributes_json row=1"},
      {R"(,"attributes_json":"{\"a\":1e999}")", "column=attributes_json row=1"},
      {R"(,"resource_json":"7")", "column=resource_json row=1"},
      {R"(,"scope_json":"[]")", "column=scope_json row=1"},
      {R"(,"scope_json":"{\"attributes\":[]}")", "column=scope_json row=1"},
      {R"(,"body":"plain")", "column=body row=1"},
  };
  for (const auto& [cells, text] : cases) {
    EXPECT_THAT(DecodeRows(Signal::kLogs, good + "{" + kLog + cells + "}"),
                IsErrorSaying(ErrorKind::kInvalid, text))
        << cells;
  }
  EXPECT_THAT(DecodeRows(Signal::kTraces, "{" + kSpan + R"(,"dropped_links_count":-1})"),
              IsErrorSaying(ErrorKind::kInvalid, "column=dropped_links_count row=0"));
  EXPECT_THAT(
      DecodeRows(Signal::kTraces, "{" + kSpan + R"(,"links":[{"trace_id":"xy","span_id":"00"}]})"),
      IsErrorSaying(ErrorKind::kInvalid, "column=links row=0"));
  for (const std::string points : {"{}", "[1]", R"([{"flags":-1}])", R"([{"value":"x"}])",
                                   R"([{"attributes":[]}])", R"([{"exemplars":[3]}])"}) {
    EXPECT_THAT(DecodeRows(Signal::kMetrics, Metric("gauge", points)),
                IsErrorSaying(ErrorKind::kInvalid, "column=data_json row=0"))
        << points;
  }
}

TEST(ArrowRequest, RefusesColumnsThatAreNotOfTheSchema) {
  const auto schema = WireSchema(Signal::kLogs);
  const auto batch = WireBatch(schema, "[{" + kLog + "}]");
  const auto decode = [](const std::shared_ptr<arrow::RecordBatch>& rows) {
    return Decode(Signal::kLogs, IpcStream(rows->schema(), {rows}), WireMetadata(Signal::kLogs));
  };
  EXPECT_THAT(decode(batch->RemoveColumn(0).ValueOrDie()),
              IsErrorSaying(ErrorKind::kInvalid, "column is missing column=time_unix_nano"));
  EXPECT_THAT(
      decode(batch->SetColumn(4, arrow::field("body", batch->column(0)->type()), batch->column(0))
                 .ValueOrDie()),
      IsErrorSaying(ErrorKind::kInvalid, "column=body type=uint64"));
  EXPECT_THAT(decode(batch->AddColumn(0, "time_unix_nano", batch->column(0)).ValueOrDie()),
              IsErrorSaying(ErrorKind::kInvalid, "twice column=time_unix_nano"));
  EXPECT_THAT(DecodeRows(Signal::kLogs, R"({"observed_time_unix_nano":0})"),
              IsErrorSaying(ErrorKind::kInvalid, "column=time_unix_nano"));
  const auto more = decode(batch->AddColumn(0, "color", batch->column(0)).ValueOrDie());
  ASSERT_THAT(more, IsOk());
  EXPECT_EQ(more->notes.back().reason, "unmapped_field");
  EXPECT_EQ(more->notes.back().count, 1);
}

TEST(ArrowRequest, ReadsEveryLayoutOfText) {
  const auto schema = WireSchema(Signal::kLogs);
  const auto batch = WireBatch(schema, "[{" + kLog + R"(,"body":"\"b\""},{)" + kLog + "}]");
  const auto texts = std::vector<std::shared_ptr<arrow::Array>>{
      arrow::json::ArrayFromJSONString(arrow::large_utf8(), R"(["\"b\"", null])").ValueOrDie(),
      arrow::json::ArrayFromJSONString(arrow::utf8_view(), R"(["\"b\"", null])").ValueOrDie(),
      arrow::json::DictArrayFromJSONString(arrow::dictionary(arrow::uint8(), arrow::utf8()),
                                           "[1, null]", R"(["\"a\"", "\"b\""])")
          .ValueOrDie()};
  for (const auto& text : texts) {
    const auto other = batch->SetColumn(4, arrow::field("body", text->type()), text).ValueOrDie();
    const auto rows = RowsOf(
        Decode(Signal::kLogs, IpcStream(other->schema(), {other}), WireMetadata(Signal::kLogs)));
    ASSERT_EQ(rows.size(), 2U) << text->type()->ToString();
    EXPECT_EQ(rows[0].at("body"), TextCell("b"));
    EXPECT_EQ(rows[1].at("body"), NullCell());
  }
}

TEST(ArrowRequest, BoundsWhatAFewBytesDecompressTo) {
  const auto schema = WireSchema(Signal::kLogs);
  auto options = arrow::ipc::IpcWriteOptions::Defaults();
  options.codec = arrow::util::Codec::Create(arrow::Compression::LZ4_FRAME).ValueOrDie();
  const auto batch = WireBatch(schema, "[{" + kLog + "}]");
  EXPECT_THAT(
      Decode(Signal::kLogs, IpcStream(schema, {batch}, options), WireMetadata(Signal::kLogs)),
      IsOk());
  options.codec = arrow::util::Codec::Create(arrow::Compression::ZSTD).ValueOrDie();
  const auto zeros =
      arrow::MakeArrayFromScalar(arrow::StringScalar(std::string(300 << 20, 'x')), 1).ValueOrDie();
  const auto bomb = batch->SetColumn(4, arrow::field("body", zeros->type()), zeros).ValueOrDie();
  const std::string stream = IpcStream(bomb->schema(), {bomb}, options);
  EXPECT_LT(stream.size(), 1U << 20);
  EXPECT_THAT(Decode(Signal::kLogs, stream, WireMetadata(Signal::kLogs)),
              IsErrorSaying(ErrorKind::kInvalid, "becomes too large when decompressed"));
}

TEST(ArrowRows, AreOneBatchWithoutDictionariesThatOwnsItsMemory) {
  const auto schema =
      arrow::schema({arrow::field("n", arrow::int32()),
                     arrow::field("t", arrow::dictionary(arrow::int8(), arrow::utf8()))});
  const auto batch = [&](const char* numbers, const char* indices, const char* texts) {
    return arrow::RecordBatch::Make(
        schema, 2,
        arrow::ArrayVector{
            arrow::json::ArrayFromJSONString(arrow::int32(), numbers).ValueOrDie(),
            arrow::json::DictArrayFromJSONString(schema->field(1)->type(), indices, texts)
                .ValueOrDie()});
  };
  Result<DecodedRequest> decoded;
  {
    const std::string body = IpcStream(schema, {batch("[1,2]", "[0,null]", R"(["a","b"])"),
                                                batch("[3,4]", "[1,1]", R"(["a","c"])")}) +
                             ArrowBodyTrailer("orders");
    decoded = DecodeMessage(Signal::kLogs, MessageEncoding::kArrowRows, AsBytes(body), {});
  }
  ASSERT_THAT(decoded, IsOk());
  ASSERT_EQ(decoded->foreign.size(), 1U);
  EXPECT_EQ(decoded->foreign[0].table, "orders");
  const auto& rows = *decoded->foreign[0].rows;
  EXPECT_TRUE(rows.ValidateFull().ok());
  EXPECT_TRUE(rows.column(0)->Equals(
      arrow::json::ArrayFromJSONString(arrow::int32(), "[1,2,3,4]").ValueOrDie()));
  EXPECT_TRUE(rows.column(1)->Equals(
      arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["a",null,"c","c"])").ValueOrDie()));
}

TEST(ArrowRows, BoundWhatADictionaryStandsFor) {
  const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  const auto schema = arrow::schema({arrow::field("t", type)});
  const auto text =
      arrow::MakeArrayFromScalar(arrow::StringScalar(std::string(1 << 20, 'x')), 1).ValueOrDie();
  const auto decode = [&](std::int64_t rows) {
    const auto indices = arrow::MakeArrayFromScalar(arrow::Int8Scalar(0), rows).ValueOrDie();
    const auto column = arrow::DictionaryArray::FromArrays(type, indices, text).ValueOrDie();
    const std::string body =
        IpcStream(schema, {arrow::RecordBatch::Make(schema, rows, arrow::ArrayVector{column})}) +
        ArrowBodyTrailer("t");
    return DecodeMessage(Signal::kLogs, MessageEncoding::kArrowRows, AsBytes(body), {});
  };
  EXPECT_THAT(decode(256), IsOk());
  EXPECT_THAT(decode(257), IsErrorSaying(ErrorKind::kInvalid, "stands for too much"));
}

TEST(ArrowRequest, SurvivesDamageAnywhere) {
  const auto schema = WireSchema(Signal::kTraces);
  const auto batch = WireBatch(
      schema, "[{" + kSpan + R"(,"events":[{"name":"e","timestamp_unix_nano":1}]},{)" + kSpan +
                  R"(,"links":[{"trace_id":"00","span_id":"00"}],"attributes_json":"{}"}])");
  const std::string stream = IpcStream(schema, {batch});
  const std::string metadata = WireMetadata(Signal::kTraces);
  for (std::size_t size = 0; size + 8 < stream.size(); ++size) {
    const auto decoded = Decode(Signal::kTraces, stream.substr(0, size), metadata);
    // A stream may end after its schema: that has no rows.
    EXPECT_TRUE(!decoded.has_value() || decoded->tables.empty()) << size;
  }
  for (std::size_t at = 0; at < stream.size(); ++at) {
    for (const unsigned bit : {0U, 4U, 7U}) {
      std::string damaged = stream;
      damaged[at] ^= static_cast<char>(1U << bit);
      const auto decoded = Decode(Signal::kTraces, damaged, metadata);
      EXPECT_TRUE(decoded.has_value() || decoded.error().kind == ErrorKind::kInvalid);
    }
  }
}

TEST(PutMetadata, TakesWhatTheContractNames) {
  const auto metadata = ParsePutMetadata(
      R"({"schema_version":"v1","signal_type":"metrics","tenant_id":" acme ","dataset_id":" ",)"
      R"("metric_type":"histogram","wal_entry_id":"e1","traceparent":"t","source":"p","x":1})");
  ASSERT_THAT(metadata, IsOk());
  EXPECT_EQ(metadata->signal(), Signal::kMetrics);
  EXPECT_EQ(metadata->tenant, "acme");
  EXPECT_EQ(metadata->dataset, "");
  EXPECT_EQ(metadata->table, TableKind::kMetricsHistogram);
  EXPECT_EQ(metadata->entry_id, "e1");
  EXPECT_EQ(ParsePutMetadata(R"({"schema_version":"v1","signal_type":"profiles"})")->signal(),
            std::nullopt);
}

TEST(PutMetadata, RefusesWhatItCannotBeSureOf) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "JSON object"},
      {"[]", "JSON object"},
      {"{", "JSON object"},
      {R"({"signal_type":"logs"})", "schema_version"},
      {R"({"schema_version":"v2","signal_type":"logs"})", "schema_version"},
      {R"({"schema_version":1,"signal_type":"logs"})", "key=schema_version"},
      {R"({"schema_version":"v1"})", "signal_type"},
      {R"({"schema_version":"v1","signal_type":"spans"})", "signal_type"},
      {R"({"schema_version":"v1","signal_type":"logs","tenant_id":7})", "key=tenant_id"},
      {R"({"schema_version":"v1","signal_type":"metrics","target_table":"logs"})", "target_table"},
  };
  for (const auto& [json, text] : cases)
    EXPECT_THAT(ParsePutMetadata(json), IsErrorSaying(ErrorKind::kInvalid, text)) << json;
  EXPECT_THAT(ParsePutMetadata(std::string(70'000, ' ')),
              IsErrorSaying(ErrorKind::kInvalid, "too long"));
}

}  // namespace
}  // namespace signaldb
