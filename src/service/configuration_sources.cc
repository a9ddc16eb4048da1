#include "service/configuration_sources.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "adapters/local/text_file.h"
#include "service/configuration_keys.h"
#include "service/locations.h"
#include "service/source_block_keys.h"

namespace signaldb {

Result<ConfigurationSources> GatherSources(FileSystem& files, ConfigurationArguments arguments,
                                           const char* const* environment,
                                           std::string working_directory) {
  ConfigurationSources sources;
  const std::string name = arguments.file.value_or(std::string(kDefaultConfigurationFile));
  Result<std::string> text =
      ReadTextFile(files, AbsolutePath(name, working_directory), kConfigurationFileBytesMax);
  if (text.has_value()) {
    sources.file = {name, std::move(*text)};
  } else if (arguments.file.has_value() || text.error().kind != ErrorKind::kNotFound) {
    return Fail(ErrorKind::kInvalid, fmt::format("{}: {}", name, text.error().message));
  }
  for (; *environment != nullptr; ++environment) {
    const std::string_view variable(*environment);
    const std::size_t equals = variable.find('=');
    if (equals == variable.npos) continue;
    sources.environment.emplace_back(variable.substr(0, equals), variable.substr(equals + 1));
  }
  sources.settings = std::move(arguments.settings);
  sources.read_file = [&files, working_directory](const std::string& path) {
    return ReadTextFile(files, AbsolutePath(path, working_directory), kSecretFileBytesMax);
  };
  sources.working_directory = std::move(working_directory);
  return sources;
}

Status CheckAccessFiles(FileSystem& files, const LoadedConfiguration& configuration,
                        std::string_view working_directory) {
  for (const ConfigurationValue& value : configuration.shown) {
    const ConfigurationKey* const key = FindBlockKey(value.key);
    if (key == nullptr || key->type != KeyType::kPath || value.text.empty()) continue;
    const std::string path = AbsolutePath(value.text, working_directory);
    const Result<std::string> text = ReadTextFile(files, path, kConfigurationFileBytesMax);
    const bool is_credentials = value.key.ends_with("credentials_file");
    const std::string_view mark = is_credentials ? "-----BEGIN NATS USER JWT-----" : "-----BEGIN ";
    if (text.has_value() && text->contains(mark)) continue;
    const std::string_view kind = is_credentials ? "the credentials of a NATS user" : "PEM";
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("{}: expected a file with {}, but {} key={} path={}", value.origin, kind,
                    text.has_value() ? "it has none" : text.error().message, value.key, path));
  }
  return {};
}

Result<LoadedConfiguration> LoadForProcess(FileSystem& files, ConfigurationArguments arguments,
                                           const char* const* environment) {
  std::error_code failed;
  const std::string here = std::filesystem::current_path(failed).string();
  if (failed) {
    return Fail(ErrorKind::kInvalid, "the working directory is gone: " + failed.message());
  }
  SIGNALDB_ASSIGN(const auto sources,
                  GatherSources(files, std::move(arguments), environment, here));
  return LoadConfiguration(sources);
}

Result<LoadedConfiguration> LoadToRun(FileSystem& files, ConfigurationArguments arguments,
                                      const char* const* environment) {
  SIGNALDB_ASSIGN(LoadedConfiguration loaded,
                  LoadForProcess(files, std::move(arguments), environment));
  std::error_code failed;
  const std::string here = std::filesystem::current_path(failed).string();
  SIGNALDB_TRY(CheckAccessFiles(files, loaded, here));
  return loaded;
}

}  // namespace signaldb
