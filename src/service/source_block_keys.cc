#include "service/source_block_keys.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "adapters/nats/nats_options.h"
#include "service/locations.h"
#include "service/source_block_checks.h"
#include "service/source_block_clashes.h"
#include "service/value_text.h"
#include "telemetry/names.h"

namespace signaldb {
namespace {

using C = ServiceConfiguration;
using enum KeyType;

constexpr std::size_t kTopicBytesMax = 249;  // Kafka's own limit.
constexpr std::size_t kTenantFromBytesMax = 256;
constexpr double kDay = 86'400'000;  // Durations are bounded in milliseconds.

// --- what some values must look like; the message says what was expected

using Check = Status (*)(std::string_view text);

Status Expected(std::string_view what) {
  return Fail(ErrorKind::kInvalid, fmt::format("expected {}", what));
}

Status CheckNotEmpty(std::string_view text) {
  return text.empty() ? Expected("a value that is not empty") : Status();
}

Status CheckNameOrEmpty(std::string_view text) {
  if (text.empty() || IsValidTenantOrDataset(text)) return {};
  return Expected("1 to 64 of the characters A-Z a-z 0-9 _ -");
}

/// librdkafka takes a name that starts with ^ for a pattern; ours are exact.
Status CheckTopic(std::string_view text) {
  const bool legal = std::ranges::all_of(text, [](unsigned char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
  if (legal && !text.empty() && text.size() <= kTopicBytesMax && text != "." && text != "..") {
    return {};
  }
  return Expected("1 to 249 of the characters A-Z a-z 0-9 . _ -");
}

/// Names of streams and consumers stand in subjects, in keys of tables and in names of files.
Status CheckStreamName(std::string_view text) {
  return IsValidNatsName(text) ? Status() : Expected("1 to 128 of the characters A-Z a-z 0-9 _ -");
}

Status CheckSubject(std::string_view text) {
  if (IsValidNatsPattern(text) && text.size() <= kTopicBytesMax) return {};
  return Expected(
      "a subject of at most 249 bytes: tokens between dots, none empty, without spaces; * and > "
      "are tokens of their own, > the last one");
}

bool IsPrefixed(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix) && text.size() > prefix.size() &&
         text.size() <= kTenantFromBytesMax;
}

Status CheckKafkaTenantFrom(std::string_view text) {
  if (text == "fixed" || text == "topic" || text == "key" || IsPrefixed(text, "header:") ||
      IsPrefixed(text, "resource:")) {
    return {};
  }
  return Expected("fixed, topic, key, header:<name> or resource:<attribute>");
}

Status CheckNatsTenantFrom(std::string_view text) {
  if (text == "fixed" || IsPrefixed(text, "header:") || IsPrefixed(text, "resource:")) return {};
  return Expected("fixed, header:<name> or resource:<attribute>");
}

// --- the rows

enum class Needed : std::uint8_t { kNo, kYes };

struct BlockKey {
  ConfigurationKey key;  ///< `name` without numbers: "kafka.topics.signal".
  Check check = nullptr;
  Needed needed = Needed::kNo;
};

// Fields are those of the block that was added last: blocks are filled one after the other.
KafkaBlock& Kafka(C& c) { return c.kafka.back(); }
SourceRoute& Topic(C& c) { return c.kafka.back().topics.back(); }
NatsBlock& Nats(C& c) { return c.nats.back(); }
SourceRoute& Subject(C& c) { return c.nats.back().subjects.back(); }

constexpr std::string_view kSignalHelp = "What the messages carry.";
constexpr std::string_view kEncodingHelp =
    "`otlp_proto`: an OTLP request (or `TracesData`, `LogsData`, `MetricsData`, which are the same "
    "on the wire). `otlp_json`: the same as JSON. `auto` tells them apart by the first byte.";
constexpr std::string_view kTenantHelp =
    "The tenant with `tenant_from = \"fixed\"`, and of messages that name none; none: "
    "`tenants.default_tenant`.";
constexpr std::string_view kDatasetFromHelp = "As `tenant_from`, for the dataset.";
constexpr std::string_view kDatasetHelp = "As `tenant`; none: `tenants.default_dataset`.";
constexpr std::string_view kEncodings = "auto|otlp_proto|otlp_json";

constexpr auto kKeys = std::to_array<BlockKey>({
    {{"kafka.name", kText, "",
      "How the source is called in logs, metrics and `/readyz`; unique. None: `kafka`, `kafka-2`, "
      "…",
      +[](C& c) -> std::string& { return Kafka(c).name; }},
     CheckNameOrEmpty},
    {{"kafka.brokers", kText, "", "Where to find the cluster: `host:port`, separated by commas.",
      +[](C& c) -> std::string& { return Kafka(c).brokers; }},
     CheckKafkaBrokers,
     Needed::kYes},
    {{"kafka.group_id", kText, "signaldb-writer",
      "Consumer group. Writers of one group share the partitions of its topics.",
      +[](C& c) -> std::string& { return Kafka(c).group_id; }},
     CheckNotEmpty},
    {{"kafka.group_instance_id", kText, "",
      "Static membership: unique to this writer within the group and the same after a restart, "
      "such as the pod's name. A restart within `session_timeout` then moves no partition.",
      +[](C& c) -> std::string& { return Kafka(c).group_instance_id; }}},
    {{"kafka.on_out_of_range", kChoice, "stop",
      "What to do when the group's offset is no longer (or not yet) in the topic: `stop` the "
      "source "
      "and say so, or go on at the `earliest` offset; the gap is counted and logged.",
      +[](C& c) -> std::string& { return Kafka(c).on_out_of_range; }, "stop|earliest"}},
    {{"kafka.session_timeout",
      kDuration,
      "45s",
      "Time without a heartbeat after which the group gives the partitions to others.",
      +[](C& c) -> Nanos& { return Kafka(c).session_timeout; },
      {},
      1'000,
      1'800'000}},
    {{"kafka.max_poll_interval",
      kDuration,
      "5m",
      "Longest time between two reads before the group takes the partitions away; the rows of a "
      "partition that is revoked must be committed within half of it.",
      +[](C& c) -> Nanos& { return Kafka(c).max_poll_interval; },
      {},
      1'000,
      kDay}},
    {{"kafka.security_protocol", kChoice, "plaintext", "How to speak to the brokers.",
      +[](C& c) -> std::string& { return Kafka(c).security_protocol; },
      "plaintext|ssl|sasl_plaintext|sasl_ssl"}},
    {{"kafka.ssl_ca_file", kPath, "",
      "Certificates in PEM that sign the brokers'. None: those of the system.",
      +[](C& c) -> std::string& { return Kafka(c).ssl_ca_file; }}},
    {{"kafka.ssl_cert_file", kPath, "", "Our certificate in PEM, where brokers ask for one.",
      +[](C& c) -> std::string& { return Kafka(c).ssl_cert_file; }}},
    {{"kafka.ssl_key_file", kPath, "", "The private key in PEM that belongs to it.",
      +[](C& c) -> std::string& { return Kafka(c).ssl_key_file; }}},
    {{"kafka.sasl_mechanism", kChoice, "SCRAM-SHA-512", "How to prove who we are.",
      +[](C& c) -> std::string& { return Kafka(c).sasl_mechanism; },
      "PLAIN|SCRAM-SHA-256|SCRAM-SHA-512"}},
    {{"kafka.sasl_username", kText, "", "The user.",
      +[](C& c) -> std::string& { return Kafka(c).sasl_username; }}},
    {{"kafka.sasl_password", kPassword, "",
      "Its password; best by `SIGNALDB__KAFKA__0__SASL_PASSWORD_FILE`.",
      +[](C& c) -> std::string& { return Kafka(c).sasl_password; }}},
    {{"kafka.topics.topic", kText, "", "The topic, by its exact name.",
      +[](C& c) -> std::string& { return Topic(c).from; }},
     CheckTopic,
     Needed::kYes},
    {{"kafka.topics.signal", kChoice, "traces", kSignalHelp,
      +[](C& c) -> Signal& { return Topic(c).signal; }, "traces|logs|metrics"},
     nullptr,
     Needed::kYes},
    {{"kafka.topics.encoding", kChoice, "auto", kEncodingHelp,
      +[](C& c) -> std::string& { return Topic(c).encoding; }, kEncodings}},
    {{"kafka.topics.tenant_from", kText, "fixed",
      "Where the tenant stands: `fixed` (in `tenant`), `topic` (its name), `key` (of the message), "
      "`header:<name>`, or `resource:<attribute>`: each resource of a request goes to its own.",
      +[](C& c) -> std::string& { return Topic(c).tenant_from; }},
     CheckKafkaTenantFrom},
    {{"kafka.topics.tenant", kText, "", kTenantHelp,
      +[](C& c) -> std::string& { return Topic(c).tenant; }},
     CheckNameOrEmpty},
    {{"kafka.topics.dataset_from", kText, "fixed", kDatasetFromHelp,
      +[](C& c) -> std::string& { return Topic(c).dataset_from; }},
     CheckKafkaTenantFrom},
    {{"kafka.topics.dataset", kText, "", kDatasetHelp,
      +[](C& c) -> std::string& { return Topic(c).dataset; }},
     CheckNameOrEmpty},
    {{"kafka.topics.incarnation", kName, "0",
      "Change it when the topic was deleted and made anew: offsets start at 0 again, and would "
      "pass "
      "for messages that the tables have.",
      +[](C& c) -> std::string& { return Topic(c).incarnation; }}},
    {{"nats.name", kText, "",
      "How the source is called in logs, metrics and `/readyz`; unique. None: `nats`, `nats-2`, …",
      +[](C& c) -> std::string& { return Nats(c).name; }},
     CheckNameOrEmpty},
    {{"nats.url", kText, "",
      "Where to find the servers: `nats://host:port` or `tls://host:port`, separated by commas.",
      +[](C& c) -> std::string& { return Nats(c).url; }},
     CheckNatsServers,
     Needed::kYes},
    {{"nats.stream", kText, "", "The stream of JetStream to read.",
      +[](C& c) -> std::string& { return Nats(c).stream; }},
     CheckStreamName,
     Needed::kYes},
    {{"nats.durable", kText, "signaldb-writer",
      "The durable pull consumer. Writers that name the same one share its messages.",
      +[](C& c) -> std::string& { return Nats(c).durable; }},
     CheckStreamName},
    {{"nats.create", kBoolean, "false",
      "Create the stream (with the subjects below, one replica, no limits) and the consumer if "
      "they "
      "are missing. A stream that was there before is never created a second time.",
      +[](C& c) -> bool& { return Nats(c).create; }}},
    {{"nats.accept_new_incarnation", kText, "",
      "What the source asks for when the stream was created anew or lost messages: it stops then, "
      "and says what to write here.",
      +[](C& c) -> std::string& { return Nats(c).accept_new_incarnation; }}},
    {{"nats.ack_wait",
      kDuration,
      "120s",
      "Of a consumer that is created: time after which the server hands a message out again if we "
      "have not acknowledged it; at least four times `commit.interval`.",
      +[](C& c) -> Nanos& { return Nats(c).ack_wait; },
      {},
      1'000,
      kDay}},
    {{"nats.max_ack_pending",
      kInteger,
      "50000",
      "Of a consumer that is created: most messages that may wait for their acknowledgement, over "
      "all writers.",
      +[](C& c) -> int& { return Nats(c).max_ack_pending; },
      {},
      1,
      1e6}},
    {{"nats.user", kText, "", "The user.", +[](C& c) -> std::string& { return Nats(c).user; }}},
    {{"nats.password", kPassword, "", "Its password; best by `SIGNALDB__NATS__0__PASSWORD_FILE`.",
      +[](C& c) -> std::string& { return Nats(c).password; }}},
    {{"nats.token", kSecret, "", "A token instead of user and password.",
      +[](C& c) -> std::string& { return Nats(c).token; }}},
    {{"nats.credentials_file", kPath, "", "A `.creds` file with JWT and seed.",
      +[](C& c) -> std::string& { return Nats(c).credentials_file; }}},
    {{"nats.tls_ca_file", kPath, "",
      "Certificates in PEM that sign the servers'. None: those of the system.",
      +[](C& c) -> std::string& { return Nats(c).tls_ca_file; }}},
    {{"nats.tls_cert_file", kPath, "", "Our certificate in PEM, where servers ask for one.",
      +[](C& c) -> std::string& { return Nats(c).tls_cert_file; }}},
    {{"nats.tls_key_file", kPath, "", "The private key in PEM that belongs to it.",
      +[](C& c) -> std::string& { return Nats(c).tls_key_file; }}},
    {{"nats.subjects.subject", kText, "", "The subject; `*` and `>` as NATS has them.",
      +[](C& c) -> std::string& { return Subject(c).from; }},
     CheckSubject,
     Needed::kYes},
    {{"nats.subjects.signal", kChoice, "traces", kSignalHelp,
      +[](C& c) -> Signal& { return Subject(c).signal; }, "traces|logs|metrics"},
     nullptr,
     Needed::kYes},
    {{"nats.subjects.encoding", kChoice, "auto", kEncodingHelp,
      +[](C& c) -> std::string& { return Subject(c).encoding; }, kEncodings}},
    {{"nats.subjects.tenant_from", kText, "header:x-tenant-id",
      "Where the tenant stands: `fixed` (in `tenant`), `header:<name>` (with `x-tenant-id` goes "
      "`X-Scope-OrgID`), or `resource:<attribute>`: each resource of a request goes to its own.",
      +[](C& c) -> std::string& { return Subject(c).tenant_from; }},
     CheckNatsTenantFrom},
    {{"nats.subjects.tenant", kText, "", kTenantHelp,
      +[](C& c) -> std::string& { return Subject(c).tenant; }},
     CheckNameOrEmpty},
    {{"nats.subjects.dataset_from", kText, "header:x-dataset-id", kDatasetFromHelp,
      +[](C& c) -> std::string& { return Subject(c).dataset_from; }},
     CheckNatsTenantFrom},
    {{"nats.subjects.dataset", kText, "", kDatasetHelp,
      +[](C& c) -> std::string& { return Subject(c).dataset; }},
     CheckNameOrEmpty},
});

// --- the lists

struct DefaultRoute {
  std::string_view from;
  std::string_view signal;
};
constexpr auto kDefaultTopics = std::to_array<DefaultRoute>(
    {{"otlp_spans", "traces"}, {"otlp_metrics", "metrics"}, {"otlp_logs", "logs"}});
constexpr auto kDefaultSubjects = std::to_array<DefaultRoute>({{"otel_traces", "traces"},
                                                               {"otel_metrics", "metrics"},
                                                               {"otel_logs", "logs"},
                                                               {"otel.spans", "traces"},
                                                               {"otel.metrics", "metrics"},
                                                               {"otel.logs", "logs"}});

struct BlockList {
  std::string_view name;
  std::string_view routes;    ///< The list inside each block ...
  std::string_view from_key;  ///< ... and what a route is named by.
  std::span<const DefaultRoute> default_routes;
  void (*add)(C&);
  void (*add_route)(C&);
  std::string& (*block_name)(C&);
  std::optional<BlockMistake> (*find_mistake)(const C&);  ///< In the block added last.
};
constexpr auto kLists = std::to_array<BlockList>({
    {"kafka", "topics", "topic", kDefaultTopics, +[](C& c) { c.kafka.emplace_back(); },
     +[](C& c) { c.kafka.back().topics.emplace_back(); },
     +[](C& c) -> std::string& { return c.kafka.back().name; },
     +[](const C& c) { return FindMistake(c.kafka.back()); }},
    {"nats", "subjects", "subject", kDefaultSubjects, +[](C& c) { c.nats.emplace_back(); },
     +[](C& c) { c.nats.back().subjects.emplace_back(); },
     +[](C& c) -> std::string& { return c.nats.back().name; },
     +[](const C& c) { return FindMistake(c.nats.back()); }},
});

/// "kafka.0.topics.1.signal" taken apart.
struct BlockPath {
  const BlockList* list = nullptr;
  std::size_t block = 0;
  std::optional<std::size_t> route;
  std::string_view leaf;
};

/// Takes the text up to the next dot off `rest`.
std::string_view TakeSegment(std::string_view& rest) {
  const std::size_t dot = rest.find('.');
  const std::string_view segment = rest.substr(0, dot);
  rest.remove_prefix(dot == std::string_view::npos ? rest.size() : dot + 1);
  return segment;
}

std::optional<std::size_t> ParseIndex(std::string_view text) {
  std::size_t index = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), index);
  const bool canonical = text.size() == 1 || !text.starts_with('0');
  if (failed != std::errc() || end != text.data() + text.size() || !canonical) return std::nullopt;
  return index;
}

const BlockList* FindList(std::string_view name) {
  const auto* const found = std::ranges::find(kLists, name, &BlockList::name);
  return found == kLists.end() ? nullptr : found;
}

std::optional<BlockPath> ParsePath(std::string_view key) {
  BlockPath path{.list = FindList(TakeSegment(key)), .block = 0, .route = {}, .leaf = {}};
  if (path.list == nullptr) return std::nullopt;
  const auto block = ParseIndex(TakeSegment(key));
  if (!block.has_value() || key.empty()) return std::nullopt;
  path.block = *block;
  std::string_view inner = key;
  if (TakeSegment(inner) == path.list->routes && !inner.empty()) {
    path.route = ParseIndex(TakeSegment(inner));
    if (!path.route.has_value() || inner.empty()) return std::nullopt;
    key = inner;
  }
  path.leaf = key;
  return path;
}

std::string RowName(const BlockPath& path) {
  return path.route.has_value()
             ? fmt::format("{}.{}.{}", path.list->name, path.list->routes, path.leaf)
             : fmt::format("{}.{}", path.list->name, path.leaf);
}

const BlockKey* FindRow(std::string_view key) {
  const std::optional<BlockPath> path = ParsePath(key);
  if (!path.has_value()) return nullptr;
  const std::string name = RowName(*path);
  const auto found =
      std::ranges::find_if(kKeys, [&](const BlockKey& row) { return row.key.name == name; });
  return found == kKeys.end() ? nullptr : &*found;
}

/// The part of a row's name behind the list it is in, if it is in `list` and not deeper.
std::optional<std::string_view> LeafIn(std::string_view row, std::string_view list) {
  if (!row.starts_with(list) || row.size() <= list.size() || row[list.size()] != '.') return {};
  const std::string_view leaf = row.substr(list.size() + 1);
  return leaf.contains('.') ? std::nullopt : std::optional(leaf);
}

std::string ExplainLeaf(const BlockPath& path) {
  const std::string list = path.route.has_value()
                               ? fmt::format("{}.{}", path.list->name, path.list->routes)
                               : std::string(path.list->name);
  Nearest nearest(path.leaf);
  if (!path.route.has_value()) nearest.Consider(path.list->routes);
  for (const BlockKey& row : kKeys) {
    if (const auto leaf = LeafIn(row.key.name, list)) nearest.Consider(*leaf);
  }
  return nearest.best().empty()
             ? fmt::format("unknown key of [[{}]], docs/reference/configuration.md has them all",
                           list)
             : fmt::format("unknown key of [[{}]], did you mean {}?", list, nearest.best());
}

// --- building

std::unexpected<Error> Wrong(std::string_view origin, std::string_view what, std::string_view key) {
  return Fail(ErrorKind::kInvalid, fmt::format("{}: {} key={}", origin, what, key));
}

/// Fills one configuration with all blocks.
class Builder {
 public:
  Builder(BlockValues values, const std::string& working_directory, C& into,
          std::vector<ConfigurationValue>& shown)
      : values_(std::move(values)),
        working_directory_(working_directory),
        into_(into),
        shown_(shown) {}

  [[nodiscard]] Status Build(const BlockList& list) {
    SIGNALDB_ASSIGN(const std::size_t blocks, Count(std::string(list.name), kSourceBlocksMax));
    for (std::size_t i = 0; i < blocks; ++i) {
      const std::string block = fmt::format("{}.{}", list.name, i);
      list.add(into_);
      SIGNALDB_TRY(Fill(list.name, block));
      if (const std::optional<BlockMistake> mistake = list.find_mistake(into_)) {
        return Wrong(OriginUnder(block), mistake->what, fmt::format("{}.{}", block, mistake->key));
      }
      std::string& name = list.block_name(into_);
      if (name.empty()) name = i == 0 ? list.name : fmt::format("{}-{}", list.name, i + 1);
      if (!names_.insert(name).second) {
        return Wrong(OriginUnder(block), "the name is taken by another block",
                     fmt::format("{}.name", block));
      }
      SIGNALDB_TRY(BuildRoutes(list, block));
    }
    return {};
  }

  /// What must hold between blocks, and between them and other keys.
  [[nodiscard]] Status CheckTogether() const {
    if (const std::optional<BlockClash> clash = FindClash(into_)) {
      return Wrong(OriginOf(clash->key), clash->what, clash->key);
    }
    for (std::size_t i = 0; i < into_.nats.size(); ++i) {
      const NatsBlock& block = into_.nats[i];
      const std::string key = fmt::format("nats.{}.ack_wait", i);
      const bool counts = block.create || values_.contains(key);
      if (!counts || block.ack_wait >= kCommitIntervalsPerAckWait * into_.commit.interval) continue;
      return Wrong(OriginOf(key),
                   fmt::format("expected at least {} times commit.interval, or messages come again "
                               "while their commit is under way",
                               kCommitIntervalsPerAckWait),
                   key);
    }
    return {};
  }

 private:
  /// Of a key that may have its default.
  [[nodiscard]] std::string OriginOf(const std::string& key) const {
    const auto found = values_.find(key);
    if (found != values_.end() && found->second.origin != "default") return found->second.origin;
    std::string_view rest = key;
    const std::string list(TakeSegment(rest));
    return OriginUnder(fmt::format("{}.{}", list, TakeSegment(rest)));
  }

  [[nodiscard]] Status BuildRoutes(const BlockList& list, const std::string& block) {
    const std::string routes = fmt::format("{}.{}", block, list.routes);
    SIGNALDB_ASSIGN(std::size_t count, Count(routes, kSourceRoutesMax));
    if (count == 0) {
      for (const auto& [from, signal] : list.default_routes) {
        const std::string route = fmt::format("{}.{}", routes, count++);
        values_[fmt::format("{}.{}", route, list.from_key)] = {std::string(from), "default"};
        values_[route + ".signal"] = {std::string(signal), "default"};
      }
    }
    for (std::size_t i = 0; i < count; ++i) {
      list.add_route(into_);
      SIGNALDB_TRY(
          Fill(fmt::format("{}.{}", list.name, list.routes), fmt::format("{}.{}", routes, i)));
    }
    return {};
  }

  /// How many numbers there are under `list`. Errors: kInvalid (a gap, too many).
  [[nodiscard]] Result<std::size_t> Count(const std::string& list, std::size_t most) const {
    std::size_t count = 0;
    for (auto at = values_.lower_bound(list + "."); at != values_.end(); ++at) {
      std::string_view rest = at->first;
      if (!rest.starts_with(list + ".")) break;
      rest.remove_prefix(list.size() + 1);
      const std::size_t index = ParseIndex(TakeSegment(rest)).value_or(most);
      if (index >= most) {
        return Wrong(at->second.origin, fmt::format("expected at most {} of {}", most, list),
                     at->first);
      }
      count = std::max(count, index + 1);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::string block = fmt::format("{}.{}", list, i);
      if (!OriginUnder(block).empty()) continue;
      const std::string last = fmt::format("{}.{}", list, count - 1);
      return Wrong(OriginUnder(last),
                   fmt::format("numbers start at 0 and leave no gap, expected {} too", block),
                   last);
    }
    return count;
  }

  /// Where the first value under `block` comes from; empty if there is none.
  [[nodiscard]] std::string OriginUnder(const std::string& block) const {
    const auto at = values_.lower_bound(block + ".");
    return at != values_.end() && at->first.starts_with(block + ".") ? at->second.origin : "";
  }

  /// Sets all fields of the block added last.
  [[nodiscard]] Status Fill(std::string_view list, const std::string& block) {
    for (const BlockKey& row : kKeys) {
      const auto leaf = LeafIn(row.key.name, list);
      if (!leaf.has_value()) continue;
      const std::string key = fmt::format("{}.{}", block, *leaf);
      const auto found = values_.find(key);
      if (found == values_.end() && row.needed == Needed::kYes) {
        return Wrong(OriginUnder(block), fmt::format("expected {} with it", *leaf), key);
      }
      const BlockValue value = found != values_.end()
                                   ? found->second
                                   : BlockValue{std::string(row.key.default_text), "default"};
      const bool relative = row.key.type == kPath && !value.text.empty();
      SIGNALDB_TRY(SetFromText(
          row.key, relative ? AbsolutePath(value.text, working_directory_) : value.text, into_));
      shown_.push_back({key, ShownBlockValue(key, value.text), value.origin});
    }
    return {};
  }

  BlockValues values_;
  const std::string& working_directory_;
  C& into_;
  std::vector<ConfigurationValue>& shown_;
  std::set<std::string> names_;
};

}  // namespace

bool IsBlockList(std::string_view key) {
  const BlockList* const list = FindList(TakeSegment(key));
  if (list == nullptr) return false;
  if (key.empty()) return true;
  return ParseIndex(TakeSegment(key)).has_value() && key == list->routes;
}

const ConfigurationKey* FindBlockKey(std::string_view key) {
  const BlockKey* const row = FindRow(key);
  return row == nullptr ? nullptr : &row->key;
}

std::string ExplainBlockKey(std::string_view key) {
  std::string_view rest = key;
  const BlockList* const list = FindList(TakeSegment(rest));
  if (list == nullptr) return {};
  const std::optional<BlockPath> path = ParsePath(key);
  if (path.has_value() && path->leaf != list->routes) return ExplainLeaf(*path);
  return fmt::format(
      "expected [[{0}]] blocks, and {1} = [{{ {2} = \"...\", signal = \"...\" }}] in them; "
      "elsewhere "
      "they have numbers, as in {0}.0.{1}.0.{2}",
      list->name, list->routes, list->from_key);
}

Status CheckBlockValue(std::string_view key, std::string_view text) {
  const BlockKey* const row = FindRow(key);
  SIGNALDB_ASSERT(row != nullptr);
  ServiceConfiguration scratch;
  for (const BlockList& list : kLists) {
    list.add(scratch);
    list.add_route(scratch);
  }
  SIGNALDB_TRY(SetFromText(row->key, text, scratch));
  return row->check == nullptr ? Status() : row->check(text);
}

std::string ShownBlockValue(std::string_view key, std::string_view text) {
  const BlockKey* const row = FindRow(key);
  SIGNALDB_ASSERT(row != nullptr);
  if (IsHidden(row->key.type)) return text.empty() ? "" : "***";
  const bool servers = row->check == CheckKafkaBrokers || row->check == CheckNatsServers;
  return servers ? RedactServers(text) : Redact(text);
}

Status BuildBlocks(BlockValues values, const std::string& working_directory,
                   ServiceConfiguration& into, std::vector<ConfigurationValue>& shown) {
  Builder builder(std::move(values), working_directory, into, shown);
  for (const BlockList& list : kLists) SIGNALDB_TRY(builder.Build(list));
  return builder.CheckTogether();
}

std::string BlockReference() {
  std::string out =
      "\n## Blocks\n\nA file may have several of each, and each may have several topics or "
      "subjects:\n"
      "\n```toml\n[[kafka]]\nbrokers = \"kafka:9092\"\n"
      "topics = [{ topic = \"otlp_spans\", signal = \"traces\" },\n"
      "          { topic = \"otlp_logs\", signal = \"logs\" }]\n```\n\n"
      "Environment and command line name blocks, topics and subjects by their numbers, from 0:\n"
      "`SIGNALDB__KAFKA__0__BROKERS=kafka:9092`, `SIGNALDB__KAFKA__0__SASL_PASSWORD_FILE`,\n"
      "`--set kafka.0.topics.1.signal=logs`. They change what the file says, or add the next "
      "number.\n";
  std::string_view section;
  for (const BlockKey& row : kKeys) {
    const std::size_t dot = row.key.name.rfind('.');
    if (row.key.name.substr(0, dot) != section) {
      section = row.key.name.substr(0, dot);
      fmt::format_to(std::back_inserter(out), "\n### [[{}]]\n\n", section);
      for (const BlockList& list : kLists) {
        if (section != fmt::format("{}.{}", list.name, list.routes)) continue;
        out += "If there is none:";
        for (const auto& [from, signal] : list.default_routes) {
          fmt::format_to(std::back_inserter(out), " `{}` ({}){}", from, signal,
                         &from == &list.default_routes.back().from ? ".\n\n" : ",");
        }
      }
      out += "| key | type | default | meaning |\n|---|---|---|---|\n";
    }
    out += row.needed == Needed::kYes ? ReferenceRow(row.key, "needed") : ReferenceRow(row.key);
  }
  return out;
}

}  // namespace signaldb
