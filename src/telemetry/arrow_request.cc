#include "telemetry/arrow_request.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <arrow/util/byte_size.h>
#include <fmt/format.h>
#include <protozero/pbf_writer.hpp>
#include <protozero/varint.hpp>

#include "telemetry/arrow_records.h"
#include "telemetry/arrow_stream.h"
#include "telemetry/columns.h"
#include "telemetry/decode_protobuf.h"
#include "telemetry/json_any_value.h"
#include "telemetry/json_tree.h"
#include "telemetry/put_metadata.h"

namespace signaldb {
namespace {

using protozero::pbf_writer;

constexpr std::size_t kLengthBytes = 4;
/// Of one column once its dictionary is resolved.
constexpr std::size_t kColumnBytesMax = std::size_t{256} << 20;
/// As long as any request may be that is decoded.
constexpr std::size_t kProtobufBytesMax = std::size_t{256} << 20;

/// Nests rows into the resources and scopes that runs of them share.
class RequestWriter {
 public:
  RequestWriter(ArrowRecords& records, std::string& request)
      : records_(records), request_(request) {}

  [[nodiscard]] Status Row(std::int64_t row, std::int64_t number);
  /// Writes what is open. To be called while the last batch is still there.
  void EndBatch() { EndResource(); }

 private:
  [[nodiscard]] Status BeginResource(const ResourceCells& cells, std::int64_t number);
  [[nodiscard]] Status BeginScope(const ScopeCells& cells, std::int64_t number);
  void EndScope();
  void EndResource();

  ArrowRecords& records_;
  std::string& request_;
  std::optional<ResourceCells> resource_cells_;
  std::optional<ScopeCells> scope_cells_;
  std::string resource_;  // ResourceLogs and its like, open.
  std::string scope_;     // ScopeLogs and its like, open.
  std::string record_;
};

Status RequestWriter::Row(std::int64_t row, std::int64_t number) {
  const ResourceCells resource = records_.Resource(row);
  const ScopeCells scope = records_.Scope(row);
  if (resource_cells_ != resource) {
    EndResource();
    SIGNALDB_TRY(BeginResource(resource, number));
  }
  if (scope_cells_ != scope) {
    EndScope();
    SIGNALDB_TRY(BeginScope(scope, number));
  }
  record_.clear();
  SIGNALDB_TRY(records_.Write(row, record_));
  pbf_writer(scope_).add_message(2, record_);
  return {};
}

/// The flat attributes of a resource cell; a nested form is looked into if that is all there is.
struct ResourceParts {
  std::size_t attributes = 0;
  std::string_view schema_url;
};

ResourceParts PartsOf(const JsonTree& tree) {
  using Kind = JsonTree::Kind;
  const auto& nodes = tree.nodes();
  const std::size_t attributes = FindMember(nodes, 0, "attributes");
  const std::size_t url = FindMember(nodes, 0, "schema_url");
  // An attribute may be called so too; then its value is no object, or it has others beside it.
  std::size_t members = 0;
  for (std::size_t key = 1; key < nodes[0].next; key = nodes[key + 1].next) ++members;
  const bool nested = attributes != 0 && nodes[attributes].kind == Kind::kObject &&
                      members == (url == 0 ? 1 : 2) &&
                      (url == 0 || nodes[url].kind != Kind::kObject) &&
                      FindMember(nodes, attributes, "$otlp_type") == 0;
  if (!nested) return {};
  return {attributes,
          url != 0 && nodes[url].kind == Kind::kString ? nodes[url].text : std::string_view()};
}

Status RequestWriter::BeginResource(const ResourceCells& cells, std::int64_t number) {
  resource_cells_ = cells;
  resource_.clear();
  pbf_writer out(resource_);
  std::string_view schema_url = cells.schema_url;
  std::optional<JsonTree> tree;
  if (!cells.json.empty()) {
    auto parsed = JsonTree::Parse(cells.json);
    if (!parsed) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("{} column=resource_json row={}", parsed.error().message, number));
    }
    tree = *std::move(parsed);
    const auto kind = tree->nodes().front().kind;
    const bool null = kind == JsonTree::Kind::kNull;
    ResourceParts parts;
    if (kind == JsonTree::Kind::kObject) parts = PartsOf(*tree);
    if (schema_url.empty()) schema_url = parts.schema_url;
    pbf_writer resource(out, 1);
    if (!null &&
        (kind != JsonTree::Kind::kObject ||
         !JsonAnyValueWriter(tree->nodes(), resource_).Members(parts.attributes, 1, resource))) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("cell is not a JSON object of attributes column=resource_json row={}",
                              number));
    }
  }
  if (!schema_url.empty()) out.add_string(3, schema_url.data(), schema_url.size());
  return {};
}

Status RequestWriter::BeginScope(const ScopeCells& cells, std::int64_t number) {
  scope_cells_ = cells;
  scope_.clear();
  pbf_writer out(scope_);
  if (!cells.schema_url.empty())
    out.add_string(3, cells.schema_url.data(), cells.schema_url.size());
  pbf_writer scope(out, 1);
  std::string_view name = cells.name;
  std::string_view version = cells.version;
  const bool whole = !cells.json.empty();
  const std::string_view json = whole ? cells.json : cells.attributes_json;
  const std::string_view column = whole ? "scope_json" : "scope_attributes";
  const auto add_text = [&](std::uint32_t tag, std::string_view text) {
    if (!text.empty()) scope.add_string(tag, text.data(), text.size());
  };
  const auto wrong = [&](std::string_view what) {
    return Fail(ErrorKind::kInvalid, fmt::format("{} column={} row={}", what, column, number));
  };
  if (json.empty()) {
    add_text(1, name);
    add_text(2, version);
    return {};
  }
  const auto tree = JsonTree::Parse(json);
  if (!tree) return wrong(tree.error().message);
  const auto& nodes = tree->nodes();
  if (nodes[0].kind != JsonTree::Kind::kNull && nodes[0].kind != JsonTree::Kind::kObject) {
    return wrong("cell is not a JSON object");
  }
  std::optional<std::size_t> attributes = 0;  // The root.
  if (whole && nodes[0].kind == JsonTree::Kind::kObject) {
    const auto text = [&](std::string_view key) {
      const std::size_t at = FindMember(nodes, 0, key);
      return at != 0 && nodes[at].kind == JsonTree::Kind::kString ? nodes[at].text
                                                                  : std::string_view();
    };
    name = text("name");
    version = text("version");
    const std::size_t at = FindMember(nodes, 0, "attributes");
    attributes = at == 0 ? std::optional<std::size_t>() : at;
  }
  add_text(1, name);
  add_text(2, version);
  if (!attributes || nodes[*attributes].kind == JsonTree::Kind::kNull) return {};
  if (nodes[*attributes].kind != JsonTree::Kind::kObject ||
      !JsonAnyValueWriter(nodes, scope_).Members(*attributes, 3, scope)) {
    return wrong("attributes are not a JSON object of attributes");
  }
  return {};
}

void RequestWriter::EndScope() {
  if (!scope_cells_) return;
  pbf_writer(resource_).add_message(2, scope_);
  scope_cells_.reset();
}

void RequestWriter::EndResource() {
  if (!resource_cells_) return;
  // The last scope goes straight into the request: mostly it is the only one, and holds it all.
  std::size_t size = resource_.size();
  if (scope_cells_) {
    const auto length = static_cast<std::uint64_t>(scope_.size());
    size += 1 + static_cast<std::size_t>(protozero::length_of_varint(length)) + scope_.size();
  }
  pbf_writer request(request_);
  pbf_writer resource(request, 1, size);
  request_ += resource_;
  if (scope_cells_) resource.add_message(2, scope_);
  scope_cells_.reset();
  resource_cells_.reset();
}

/// What OTLP cannot say about the rows of a put.
struct RowRemarks {
  std::string service_names;             // One after the other.
  std::vector<std::size_t> service_end;  // In `service_names`, of each row.
  std::vector<std::uint8_t> nulls;       // Of each row.
  std::uint8_t any_null = 0;             // Of any row.
  std::int64_t unmapped = 0;             // Cells of columns that no schema knows.

  void Add(const CellRemarks& remarks) {
    service_names += remarks.service_name;
    service_end.push_back(service_names.size());
    nulls.push_back(remarks.nulls);
    any_null = static_cast<std::uint8_t>(any_null | remarks.nulls);
  }
  [[nodiscard]] std::string_view ServiceName(std::size_t row) const {
    const std::size_t begin = row == 0 ? 0 : service_end[row - 1];
    return std::string_view(service_names).substr(begin, service_end[row] - begin);
  }
};

Status Transcode(std::span<const std::byte> stream, ArrowRecords& records,
                 const DecodeOptions& options, std::string& request, RowRemarks& remarks) {
  RequestWriter writer(records, request);
  std::int64_t rows = 0;
  return ReadArrowStream(
      stream, options.records_max, [&](const std::shared_ptr<arrow::RecordBatch>& batch) -> Status {
        SIGNALDB_TRY(records.Bind(*batch, rows));
        // About as long as the cells: what is too much is never touched.
        const auto cells = static_cast<std::size_t>(arrow::util::TotalBufferSize(*batch));
        request.reserve(std::min(request.size() + cells, kProtobufBytesMax));
        remarks.unmapped += records.unknown_columns() * batch->num_rows();
        for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
          SIGNALDB_TRY(writer.Row(row, rows + row));
          remarks.Add(records.Remarks(row));
          if (request.size() > kProtobufBytesMax) {
            return Fail(ErrorKind::kInvalid,
                        fmt::format("request becomes too large when decoded, send smaller batches "
                                    "bytes_max={}",
                                    kProtobufBytesMax));
          }
        }
        writer.EndBatch();
        rows += batch->num_rows();
        return {};
      });
}

std::shared_ptr<arrow::ArrayData> AllNull(const arrow::ArrayData& column) {
  Validity validity;
  validity.FillNull(0, static_cast<std::size_t>(column.length));
  auto copy = std::make_shared<arrow::ArrayData>(column);
  std::int64_t nulls = 0;
  copy->buffers[0] = validity.Release(nulls);
  copy->null_count = nulls;
  return copy;
}

/// The column with nulls where `is_null` says so, its values as they were.
template <typename IsNull>
std::shared_ptr<arrow::ArrayData> WithNulls(const arrow::ArrayData& column, IsNull is_null) {
  Validity validity;
  const auto rows = static_cast<std::size_t>(column.length);
  const bool had_nulls = column.GetNullCount() > 0;
  for (std::size_t row = 0; row < rows; ++row) {
    if (is_null(row) || (had_nulls && column.IsNull(static_cast<std::int64_t>(row)))) {
      validity.PushNull(row);
    } else {
      validity.PushValid();
    }
  }
  auto copy = std::make_shared<arrow::ArrayData>(column);
  std::int64_t nulls = 0;
  copy->buffers[0] = validity.Release(nulls);
  copy->null_count = nulls;
  return copy;
}

/// Texts as the column of their table, which is a dictionary.
std::shared_ptr<arrow::ArrayData> ServiceNames(const arrow::ArrayData& decoded,
                                               const RowRemarks& remarks,
                                               const std::vector<std::uint32_t>& kept) {
  const auto array = arrow::MakeArray(std::make_shared<arrow::ArrayData>(decoded));
  const ArrowCells of_resource(*array);
  DictionaryColumn column;
  for (std::size_t row = 0; row < kept.size(); ++row) {
    const std::string_view own = remarks.ServiceName(kept[row]);
    column.Push(own.empty() ? of_resource.TextOrEmpty(static_cast<std::int64_t>(row)) : own);
  }
  return column.Release(decoded.type);
}

void Apply(const RowRemarks& remarks, const std::vector<std::uint32_t>& kept,
           const ArrowRecords& records, DecodedTable& table) {
  const arrow::Schema& schema = *table.rows->schema();
  std::vector<std::shared_ptr<arrow::ArrayData>> columns = table.rows->column_data();
  const auto column = [&](std::string_view name) -> std::shared_ptr<arrow::ArrayData>& {
    const int at = schema.GetFieldIndex(std::string(name));
    SIGNALDB_ASSERT(at >= 0);
    return columns[static_cast<std::size_t>(at)];
  };
  for (const std::string_view name : records.absent_columns()) {
    column(name) = AllNull(*column(name));
  }
  const auto nullable = records.nullable_columns();
  for (std::size_t i = 0; i < nullable.size(); ++i) {
    if ((remarks.any_null & (1U << i)) == 0) continue;
    column(nullable[i]) = WithNulls(*column(nullable[i]), [&](std::size_t row) {
      return (remarks.nulls[kept[row]] & (1U << i)) != 0;
    });
  }
  if (!nullable.empty()) {
    column("service_name") = ServiceNames(*column("service_name"), remarks, kept);
  }
  table.rows =
      arrow::RecordBatch::Make(table.rows->schema(), table.rows->num_rows(), std::move(columns));
}

/// The column's values in memory of their own: dictionaries as what they stand for, so that all
/// messages of a table are alike.
arrow::Result<std::shared_ptr<arrow::Array>> PlainCopy(const arrow::Array& column) {
  if (column.type_id() != arrow::Type::DICTIONARY)
    return column.CopyTo(arrow::default_cpu_memory_manager());
  const auto& encoded = arrow::internal::checked_cast<const arrow::DictionaryArray&>(column);
  const std::shared_ptr<arrow::Array> dictionary = encoded.dictionary();
  ARROW_ASSIGN_OR_RAISE(auto values, arrow::MakeBuilder(dictionary->type()));
  const ArrowCells texts(*dictionary);
  std::size_t bytes = 0;
  for (std::int64_t row = 0; row < column.length(); ++row) {
    const std::int64_t at = column.IsNull(row) ? -1 : encoded.GetValueIndex(row);
    // A few bytes can stand for any number of long values.
    bytes += at < 0 ? 0 : texts.TextOrEmpty(at).size();
    if (bytes > kColumnBytesMax) return arrow::Status::Invalid("a dictionary stands for too much");
    ARROW_RETURN_NOT_OK(at < 0 ? values->AppendNull()
                               : values->AppendArraySlice(*dictionary->data(), at, 1));
  }
  return values->Finish();
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> PlainCopy(const arrow::RecordBatch& batch) {
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  for (int i = 0; i < batch.num_columns(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto column, PlainCopy(*batch.column(i)));
    fields.push_back(batch.schema()->field(i)->WithType(column->type()));
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), batch.num_rows(),
                                  std::move(columns));
}

Error NotTaken(const arrow::Status& status) {
  return {status.IsOutOfMemory() ? ErrorKind::kUnavailable : ErrorKind::kInvalid,
          fmt::format("rows cannot be taken, send smaller batches: {}", status.message())};
}

}  // namespace

std::string ArrowBodyTrailer(std::string_view metadata) {
  std::string trailer(metadata);
  for (std::size_t i = 0; i < kLengthBytes; ++i)
    trailer += static_cast<char>((metadata.size() >> (8 * i)) & 0xff);
  return trailer;
}

Result<ArrowBody> SplitArrowBody(std::span<const std::byte> body) {
  std::size_t length = 0;
  if (body.size() >= kLengthBytes) {
    for (std::size_t i = 0; i < kLengthBytes; ++i) {
      length |= std::to_integer<std::size_t>(body[body.size() - kLengthBytes + i]) << (8 * i);
    }
  }
  if (body.size() < kLengthBytes || length > body.size() - kLengthBytes) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("request does not end with its metadata bytes={}", body.size()));
  }
  const auto stream = body.first(body.size() - kLengthBytes - length);
  const auto* metadata = reinterpret_cast<const char*>(body.data() + stream.size());
  return ArrowBody{.stream = stream, .metadata = {metadata, length}};
}

Result<DecodedRequest> DecodeArrowRequest(Signal signal, std::span<const std::byte> body,
                                          const DecodeOptions& options) {
  SIGNALDB_ASSIGN(const ArrowBody parts, SplitArrowBody(body));
  SIGNALDB_ASSIGN(const PutMetadata metadata, ParsePutMetadata(parts.metadata));
  const auto records = MakeArrowRecords(signal, metadata.table);
  std::string request;
  RowRemarks remarks;
  SIGNALDB_TRY(Transcode(parts.stream, *records, options, request, remarks));
  std::vector<std::uint32_t> kept;
  Result<DecodedRequest> decoded = signal == Signal::kMetrics
                                       ? DecodeProtobuf(signal, request, options)
                                       : DecodeProtobuf(signal, request, options, kept);
  if (!decoded) return decoded;
  for (DecodedTable& table : decoded->tables) Apply(remarks, kept, *records, table);
  if (remarks.unmapped > 0) {
    decoded->notes.push_back(
        {DecodedRequest::Note::Kind::kOddity, "unmapped_field", remarks.unmapped});
  }
  return decoded;
}

Result<DecodedRequest> DecodeArrowRows(std::span<const std::byte> body,
                                       const DecodeOptions& options) {
  SIGNALDB_ASSIGN(const ArrowBody parts, SplitArrowBody(body));
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  SIGNALDB_TRY(ReadArrowStream(parts.stream, options.records_max,
                               [&](const std::shared_ptr<arrow::RecordBatch>& batch) -> Status {
                                 // The rows stay when the body has gone.
                                 auto copy = PlainCopy(*batch);
                                 if (!copy.ok()) return std::unexpected(NotTaken(copy.status()));
                                 if ((*copy)->num_rows() > 0) batches.push_back(*std::move(copy));
                                 return {};
                               }));
  DecodedRequest request;
  if (batches.empty()) return request;
  const auto table = arrow::Table::FromRecordBatches(batches);
  if (!table.ok()) return Fail(ErrorKind::kInvalid, table.status().message());
  auto rows = (*table)->CombineChunksToBatch();
  if (!rows.ok()) return Fail(ErrorKind::kInvalid, rows.status().message());
  request.foreign.push_back({std::string(parts.metadata), *std::move(rows)});
  return request;
}

}  // namespace signaldb
