#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace signaldb::testing {

/// What each fuzz target defines, once for libFuzzer (libfuzzer_entry.cc) and once for the replay
/// of its seeds in the default test run (replay_entry.cc).

/// Does the target's work on `input` and ends the process if one of its properties does not hold.
/// Equal input, equal run.
void RunInput(std::string_view input);

/// Inputs that reach deep into the target, each a few KB at most. Made by code, so that they follow
/// the formats.
[[nodiscard]] std::vector<std::string> SeedInputs();

}  // namespace signaldb::testing
