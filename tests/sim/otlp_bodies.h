#pragma once

#include <string>
#include <vector>

namespace signaldb::testing {

/// An ExportLogsServiceRequest with one record a name; the name is its body.
[[nodiscard]] std::string LogsRequest(const std::vector<std::string>& names);

/// An ExportMetricsServiceRequest that feeds two tables: for every name a gauge and a sum whose
/// descriptions are the name.
[[nodiscard]] std::string GaugesAndSumsRequest(const std::vector<std::string>& names);

}  // namespace signaldb::testing
