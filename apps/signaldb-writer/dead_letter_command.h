#pragma once

#include <CLI/CLI.hpp>

namespace signaldb {

/// Adds `dlq list|show|replay|drop`. What they do sets `exit_code`, which outlives `app`.
void AddDeadLetterCommands(CLI::App& app, int& exit_code);

}  // namespace signaldb
