#include "telemetry/parts_by_resource.h"

#include <memory>
#include <utility>
#include <vector>

#include "telemetry/split_by_resource.h"

namespace signaldb {

Status AppendPartsByResource(std::span<const std::byte> body, const ResourceName& tenant,
                             const ResourceName& dataset, SourceMessage& message) {
  std::vector<std::string> attributes;
  for (const ResourceName* name : {&tenant, &dataset}) {
    if (!name->attribute.empty()) attributes.push_back(name->attribute);
  }
  SIGNALDB_ASSIGN(SplitRequest split,
                  SplitByResource(message.signal, message.encoding, body, attributes));
  message.encoding = split.encoding;
  for (ResourceGroup& group : split.groups) {
    auto value = group.values.begin();
    const auto name_of = [&](const ResourceName& name) {
      if (name.attribute.empty()) return name.otherwise;
      const std::string found = (value++)->value_or("");
      return found.empty() ? name.otherwise : found;
    };
    const auto owned = std::make_shared<const std::string>(std::move(group.body));
    std::string tenant_name = name_of(tenant);
    std::string dataset_name = name_of(dataset);
    message.parts.push_back({.tenant = std::move(tenant_name),
                             .dataset = std::move(dataset_name),
                             .body = std::as_bytes(std::span(*owned)),
                             .owner = owned});
  }
  return {};
}

}  // namespace signaldb
