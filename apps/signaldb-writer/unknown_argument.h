#pragma once

#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

namespace signaldb {

/// Why the first argument is nothing that `app` knows; empty if it knows it. CLI11 would only say
/// that a subcommand is missing.
[[nodiscard]] std::string WhyUnknown(std::string_view first, const CLI::App& app);

}  // namespace signaldb
