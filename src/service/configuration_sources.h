#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "service/configuration.h"
#include "signaldb/result.h"

namespace signaldb {

/// The configuration file that is read if none is named and it exists in the working directory.
inline constexpr std::string_view kDefaultConfigurationFile = "signaldb.toml";

/// What the command line says of the configuration.
struct ConfigurationArguments {
  std::optional<std::string> file;    ///< `--config`; must exist.
  std::vector<std::string> settings;  ///< `--set`.
};

/// Collects the sources of the configuration; `environment` is that of the process, as
/// "NAME=value". The result refers to `files`, which outlives it. Errors: kInvalid (a file that was
/// named cannot be read).
[[nodiscard]] Result<ConfigurationSources> GatherSources(FileSystem& files,
                                                         ConfigurationArguments arguments,
                                                         const char* const* environment,
                                                         std::string working_directory);

/// The configuration of this process: GatherSources in its working directory, then
/// LoadConfiguration. Errors: theirs, and kInvalid if the working directory is gone.
[[nodiscard]] Result<LoadedConfiguration> LoadForProcess(FileSystem& files,
                                                         ConfigurationArguments arguments,
                                                         const char* const* environment);

/// Whether the files that blocks of sources name for TLS and access are there and of their kind. A
/// client that cannot use them says so late, and tries for ever. Errors: kInvalid (place, key,
/// path).
[[nodiscard]] Status CheckAccessFiles(FileSystem& files, const LoadedConfiguration& configuration,
                                      std::string_view working_directory);

/// LoadForProcess for a process that will read its sources: CheckAccessFiles too. Errors: theirs.
[[nodiscard]] Result<LoadedConfiguration> LoadToRun(FileSystem& files,
                                                    ConfigurationArguments arguments,
                                                    const char* const* environment);

}  // namespace signaldb
