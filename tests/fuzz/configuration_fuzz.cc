// A configuration file. One that is accepted can be shown, and what is shown is accepted again.

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include "fuzz/fuzz_target.h"
#include "service/configuration.h"
#include "service/configuration_assembly.h"

namespace signaldb::testing {
namespace {

Result<LoadedConfiguration> Load(std::string_view text) {
  ConfigurationSources sources;
  sources.file = {"signaldb.toml", std::string(text)};
  sources.working_directory = "/srv";
  sources.read_file = [](const std::string& path) -> Result<std::string> {
    return Fail(ErrorKind::kNotFound, fmt::format("there is no such file path={}", path));
  };
  return LoadConfiguration(sources);
}

}  // namespace

void RunInput(std::string_view input) {
  const auto loaded = Load(input);
  if (!loaded.has_value()) {
    SIGNALDB_ASSERT(loaded.error().kind == ErrorKind::kInvalid);
    SIGNALDB_ASSERT(!loaded.error().message.empty());
    // A line for each mistake.
    const std::string& lines = loaded.error().message;
    SIGNALDB_ASSERT(std::ranges::count(lines, '\n') <=
                    static_cast<std::ptrdiff_t>(Mistakes::kShownMax));
    SIGNALDB_ASSERT(!lines.starts_with('\n') && !lines.ends_with('\n'));
    SIGNALDB_ASSERT(!lines.contains("\n\n"));
    return;
  }
  const std::string shown = ShowAsToml(loaded->shown);
  // Secrets are not shown, so a configuration that holds one need not load again.
  if (shown.find("***") != std::string::npos) return;
  const auto again = Load(shown);
  SIGNALDB_ASSERT(again.has_value());
}

std::vector<std::string> SeedInputs() {
  const auto defaults = Load("");
  SIGNALDB_ASSERT(defaults.has_value());
  return {"", ShowAsToml(defaults->shown),
          "[commit]\ninterval = \"500ms\"\n[log]\ndir = \"x\"\nsegment_bytes = \"64MiB\"\n"
          "[schema]\ncatalog_uri = \"sqlite:///tmp/c.db\"\n"};
}

}  // namespace signaldb::testing
