#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "signaldb/result.h"
#include "telemetry/source.h"

namespace signaldb {

/// What a tenant or a dataset is called where resources of one message may belong to several.
struct ResourceName {
  std::string attribute;  ///< Of the resource; empty: none is asked.
  std::string otherwise;  ///< The name if none is asked, or a resource does not have it.
};

/// Appends a part of `message` for each dataset that the resources of `body`, which is of its
/// signal and encoding, belong to; and sets the encoding to that of the parts. Names are as found:
/// whoever reads on checks them.
///
/// Errors: kInvalid, as SplitByResource; nothing was appended.
[[nodiscard]] Status AppendPartsByResource(std::span<const std::byte> body,
                                           const ResourceName& tenant, const ResourceName& dataset,
                                           SourceMessage& message);

}  // namespace signaldb
