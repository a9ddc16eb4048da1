#include "telemetry/put_metadata.h"

#include <array>

#include <fmt/format.h>

#include "telemetry/json_any_value.h"
#include "telemetry/json_tree.h"
#include "telemetry/table_definition.h"

namespace signaldb {
namespace {

/// Far more than any sender needs; it is kept with every put.
constexpr std::size_t kBytesMax = 64 << 10;

Result<std::string> TextOf(const JsonTree& tree, std::string_view key) {
  const std::size_t at = FindMember(tree.nodes(), 0, key);
  if (at == 0 || tree.nodes()[at].kind == JsonTree::Kind::kNull) return std::string();
  if (tree.nodes()[at].kind != JsonTree::Kind::kString) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("a key of the put metadata has to be a JSON string key={}", key));
  }
  std::string_view text = tree.nodes()[at].text;
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return std::string();
  return std::string(text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1));
}

std::optional<TableKind> MetricTable(std::string_view name) {
  for (std::size_t i = 0; i < kTableKinds; ++i) {
    const TableDefinition& table = DefinitionOf(static_cast<TableKind>(i));
    if (table.name == name && name.starts_with("metrics_")) return table.kind;
  }
  return std::nullopt;
}

Status CheckSignal(std::string_view signal) {
  constexpr std::array<std::string_view, 4> kSignals = {"traces", "logs", "metrics", "profiles"};
  for (const std::string_view known : kSignals) {
    if (signal == known) return {};
  }
  return Fail(ErrorKind::kInvalid,
              "the put metadata names no signal_type of traces, logs, metrics, profiles");
}

}  // namespace

std::optional<Signal> PutMetadata::signal() const {
  if (signal_type == "traces") return Signal::kTraces;
  if (signal_type == "logs") return Signal::kLogs;
  if (signal_type == "metrics") return Signal::kMetrics;
  return std::nullopt;
}

Result<PutMetadata> ParsePutMetadata(std::string_view json) {
  if (json.size() > kBytesMax) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("the put metadata is too long bytes={} bytes_max={}", json.size(), kBytesMax));
  }
  const auto tree = JsonTree::Parse(json);
  if (!tree || tree->nodes().front().kind != JsonTree::Kind::kObject) {
    return Fail(ErrorKind::kInvalid,
                "the first message of a put must carry a JSON object as app_metadata");
  }
  PutMetadata metadata;
  SIGNALDB_ASSIGN(const std::string version, TextOf(*tree, "schema_version"));
  if (version != "v1") {
    return Fail(ErrorKind::kInvalid,
                "the put metadata names no schema_version that is known, "
                "send schema_version=v1");
  }
  SIGNALDB_ASSIGN(metadata.signal_type, TextOf(*tree, "signal_type"));
  SIGNALDB_TRY(CheckSignal(metadata.signal_type));
  SIGNALDB_ASSIGN(metadata.tenant, TextOf(*tree, "tenant_id"));
  SIGNALDB_ASSIGN(metadata.dataset, TextOf(*tree, "dataset_id"));
  SIGNALDB_ASSIGN(metadata.entry_id, TextOf(*tree, "wal_entry_id"));
  SIGNALDB_ASSIGN(metadata.source, TextOf(*tree, "source"));
  SIGNALDB_ASSIGN(metadata.traceparent, TextOf(*tree, "traceparent"));
  if (metadata.signal_type != "metrics") return metadata;
  SIGNALDB_ASSIGN(const std::string target, TextOf(*tree, "target_table"));
  SIGNALDB_ASSIGN(const std::string type, TextOf(*tree, "metric_type"));
  metadata.table = MetricTable(target.empty() ? "metrics_" + type : target);
  if (!target.empty() && !metadata.table) {
    return Fail(ErrorKind::kInvalid, "the put metadata names an unknown target_table");
  }
  return metadata;
}

}  // namespace signaldb
