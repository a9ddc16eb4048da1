#include "service/queue_sources.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "adapters/nats/nats_source.h"
#include "service/source_block_checks.h"

namespace signaldb {
namespace {

constexpr std::string_view kHeaderRule = "header:";
constexpr std::string_view kResourceRule = "resource:";

/// What a rule such as "header:x" names, if it begins with `prefix`; else nothing.
std::string Named(std::string_view rule, std::string_view prefix) {
  return rule.starts_with(prefix) ? std::string(rule.substr(prefix.size())) : std::string();
}

std::optional<MessageEncoding> EncodingOf(std::string_view encoding) {
  if (encoding == "otlp_proto") return MessageEncoding::kProtobuf;
  if (encoding == "otlp_json") return MessageEncoding::kJson;
  return std::nullopt;
}

NatsSourceOptions OptionsOf(const NatsBlock& block, const ServiceConfiguration& values) {
  const auto named = [](const std::string& name, const std::string& otherwise) {
    return name.empty() ? otherwise : name;
  };
  NatsSourceOptions options{
      .name = block.name,
      .servers = SplitServers(block.url),
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
                                .tenant_header = Named(route.tenant_from, kHeaderRule),
                                .dataset_header = Named(route.dataset_from, kHeaderRule),
                                .tenant_attribute = Named(route.tenant_from, kResourceRule),
                                .dataset_attribute = Named(route.dataset_from, kResourceRule),
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
