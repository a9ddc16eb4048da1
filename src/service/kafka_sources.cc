#include "service/kafka_sources.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "adapters/kafka/kafka_source.h"
#include "iceberg/commit/table_commit.h"
#include "pipeline/table_cuts.h"
#include "telemetry/table_definition.h"
#include "writer/source_lane.h"

namespace signaldb {
namespace {

/// The highest position of `key` that any of the dataset's tables covers.
Result<SourcePosition> HighestCovered(TableCommitter& committer, const SourceKey& key,
                                      std::string_view tenant, std::string_view dataset) {
  const auto coverage =
      CoverageInTables(committer, std::make_shared<const SourceLane>(key, LaneOrder::kInOrder));
  SourcePosition highest = 0;
  for (std::size_t kind = 0; kind < kTableKinds; ++kind) {
    const std::string name(DefinitionOf(static_cast<TableKind>(kind)).name);
    SIGNALDB_ASSIGN(const Coverage covered,
                    coverage({std::string(tenant), std::string(dataset)}, name));
    highest = std::max(highest, covered.low);
    if (!covered.above.empty()) highest = std::max(highest, covered.above.back().last);
  }
  return highest;
}

KafkaEncoding EncodingOf(std::string_view text) {
  if (text == "otlp_proto") return KafkaEncoding::kOtlpProtobuf;
  if (text == "otlp_json") return KafkaEncoding::kOtlpJson;
  return KafkaEncoding::kAuto;
}

Result<KafkaTopic> TopicOf(const SourceRoute& route, const ServiceConfiguration& values) {
  const auto named = [](const std::string& name, const std::string& otherwise) {
    return name.empty() ? otherwise : name;
  };
  SIGNALDB_ASSIGN(
      NameRule tenant,
      ParseNameRule(route.tenant_from, named(route.tenant, values.tenants.default_tenant)));
  SIGNALDB_ASSIGN(
      NameRule dataset,
      ParseNameRule(route.dataset_from, named(route.dataset, values.tenants.default_dataset)));
  return KafkaTopic{.topic = route.from,
                    .signal = route.signal,
                    .encoding = EncodingOf(route.encoding),
                    .tenant = std::move(tenant),
                    .dataset = std::move(dataset),
                    .incarnation = route.incarnation};
}

Result<KafkaSourceOptions> OptionsOf(const KafkaBlock& block, const ServiceConfiguration& values,
                                     TableCommitter& committer) {
  KafkaSourceOptions options{
      .name = block.name,
      .connection = {.brokers = block.brokers,
                     .security_protocol = block.security_protocol,
                     .ssl_ca_file = block.ssl_ca_file,
                     .ssl_cert_file = block.ssl_cert_file,
                     .ssl_key_file = block.ssl_key_file,
                     .sasl_mechanism = block.sasl_mechanism,
                     .sasl_username = block.sasl_username,
                     .sasl_password = block.sasl_password},
      .group_id = block.group_id,
      .group_instance_id = block.group_instance_id,
      .on_out_of_range =
          block.on_out_of_range == "earliest" ? OutOfRange::kEarliest : OutOfRange::kStop,
      .session_timeout = block.session_timeout,
      .max_poll_interval = block.max_poll_interval,
      .highest_covered = [&committer](const SourceKey& key, std::string_view tenant,
                                      std::string_view dataset) {
        return HighestCovered(committer, key, tenant, dataset);
      }};
  for (const SourceRoute& route : block.topics) {
    SIGNALDB_ASSIGN(KafkaTopic topic, TopicOf(route, values));
    options.topics.push_back(std::move(topic));
  }
  return options;
}

}  // namespace

Result<std::vector<std::unique_ptr<Source>>> MakeKafkaSources(const ServiceConfiguration& values,
                                                              const KafkaSourceParts& parts) {
  std::vector<std::unique_ptr<Source>> sources;
  for (const KafkaBlock& block : values.kafka) {
    SIGNALDB_ASSIGN(KafkaSourceOptions options, OptionsOf(block, values, parts.committer));
    auto source = KafkaSource::Make(std::move(options), parts.clock, parts.events);
    if (!source.has_value()) {
      return Fail(source.error().kind,
                  fmt::format("{} source={}", source.error().message, block.name));
    }
    sources.push_back(std::move(*source));
  }
  return sources;
}

}  // namespace signaldb
