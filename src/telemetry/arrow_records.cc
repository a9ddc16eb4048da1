#include "telemetry/arrow_records.h"

#include <fmt/format.h>

#include "telemetry/flat_json.h"
#include "telemetry/json_any_value.h"
#include "telemetry/json_tree.h"

namespace signaldb {

Error JsonCells::Wrong(std::string_view what, std::string_view column, std::int64_t row) const {
  return {ErrorKind::kInvalid, fmt::format("{} column={} row={}", what, column, first_row_ + row)};
}

Status JsonCells::Attributes(std::string_view text, std::string_view column, std::int64_t row,
                             std::uint32_t tag, protozero::pbf_writer& out,
                             std::string& bytes) const {
  if (text.empty() || AppendFlatAttributes(text, tag, bytes)) return {};
  const auto tree = JsonTree::Parse(text);
  if (!tree) return std::unexpected(Wrong(tree.error(), column, row));
  const auto kind = tree->nodes().front().kind;
  if (kind == JsonTree::Kind::kNull) return {};
  if (kind != JsonTree::Kind::kObject ||
      !JsonAnyValueWriter(tree->nodes(), bytes).Members(0, tag, out)) {
    return std::unexpected(Wrong("cell is not a JSON object of attributes", column, row));
  }
  return {};
}

std::unique_ptr<ArrowRecords> MakeArrowRecords(Signal signal, std::optional<TableKind> table) {
  switch (signal) {
    case Signal::kTraces:
      return MakeArrowSpans();
    case Signal::kLogs:
      return MakeArrowLogs();
    case Signal::kMetrics:
      return MakeArrowMetrics(table);
  }
  SIGNALDB_ASSERT(false);
}

}  // namespace signaldb
