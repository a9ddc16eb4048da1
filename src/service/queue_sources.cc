#include "service/queue_sources.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "adapters/nats/nats_source.h"

namespace signaldb {
namespace {

constexpr int kCommitIntervalsPerAckWait = 4;

/// "header:x" -> "x"; "fixed" -> "".
std::string HeaderOf(std::string_view rule) {
  constexpr std::string_view kPrefix = "header:";
  return rule.starts_with(kPrefix) ? std::string(rule.substr(kPrefix.size())) : std::string();
}

std::optional<MessageEncoding> EncodingOf(std::string_view encoding) {
  if (encoding == "otlp_proto") return MessageEncoding::kProtobuf;
  if (encoding == "otlp_json") return MessageEncoding::kJson;
  return std::nullopt;
}

std::vector<std::string> SplitAtCommas(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    const std::size_t first = part.find_first_not_of(' ');
    if (first != std::string_view::npos) {
      parts.emplace_back(part.substr(first, part.find_last_not_of(' ') - first + 1));
    }
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

NatsSourceOptions OptionsOf(const NatsBlock& block, const ServiceConfiguration& values) {
  const auto named = [](const std::string& name, const std::string& otherwise) {
    return name.empty() ? otherwise : name;
  };
  NatsSourceOptions options{
      .name = block.name,
      .servers = SplitAtCommas(block.url),
      .stream = block.stream,
      .consumer = block.durable,
      .access = {.credentials_file = block.credentials_file,
                 .token = block.token,
                 .user = block.user,
                 .password = block.password,
                 .tls = !block.tls_ca_file.empty() || !block.tls_cert_file.empty(),
                 .ca_file = block.tls_ca_file,
                 .cert_file = block.tls_cert_file,
                 .key_file = block.tls_key_file},
      .create = block.create ? NatsCreate::kIfMissing : NatsCreate::kNever,
      .accept_new_incarnation = block.accept_new_incarnation,
      .state_file = values.log.dir + "/sources/nats-" + block.name + ".json",
      .ack_wait = block.ack_wait,
      .max_ack_pending = block.max_ack_pending,
      .least_ack_wait = kCommitIntervalsPerAckWait * values.commit.interval,
      .message_bytes_max = static_cast<std::uint64_t>(values.otlp.max_request_bytes)};
  for (const SourceRoute& route : block.subjects) {
    options.subjects.push_back({.pattern = route.from,
                                .signal = route.signal,
                                .tenant = named(route.tenant, values.tenants.default_tenant),
                                .dataset = named(route.dataset, values.tenants.default_dataset),
                                .tenant_header = HeaderOf(route.tenant_from),
                                .dataset_header = HeaderOf(route.dataset_from),
                                .encoding = EncodingOf(route.encoding)});
  }
  return options;
}

}  // namespace

std::vector<std::unique_ptr<Source>> MakeQueueSources(const ServiceConfiguration& values,
                                                      const QueueSourceParts& parts) {
  std::vector<std::unique_ptr<Source>> sources;
  for (const NatsBlock& block : values.nats) {
    sources.push_back(std::make_unique<NatsSource>(
        OptionsOf(block, values), NatsSource::Collaborators{parts.files, parts.clock, parts.random,
                                                            parts.events, parts.budget}));
  }
  return sources;
}

}  // namespace signaldb
