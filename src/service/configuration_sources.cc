#include "service/configuration_sources.h"

#include <filesystem>
#include <memory>
#include <span>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "service/locations.h"

namespace signaldb {
namespace {

constexpr std::size_t kSecretFileBytesMax = 64U << 10;

}  // namespace

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

Result<std::string> ReadTextFile(FileSystem& files, const std::string& path,
                                 std::size_t bytes_max) {
  std::error_code failed;
  const std::filesystem::path real = std::filesystem::canonical(path, failed);
  const std::string opened = failed ? path : real.string();
  SIGNALDB_ASSIGN(const std::unique_ptr<File> file, files.Open(opened, OpenMode::kRead));
  // One byte more than allowed is asked for, not the size: a pipe has none.
  std::string text(bytes_max + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const auto rest = std::as_writable_bytes(std::span(text)).subspan(size);
    SIGNALDB_ASSIGN(const std::size_t read, file->ReadAt(size, rest));
    if (read == 0) break;
    size += read;
  }
  if (size > bytes_max) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("file is too long bytes_max={} path={}", bytes_max, path));
  }
  text.resize(size);
  return text;
}

}  // namespace signaldb
