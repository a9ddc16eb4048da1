#include "unknown_argument.h"

#include <fmt/format.h>

#include "service/value_text.h"

namespace signaldb {

std::string WhyUnknown(std::string_view first, const CLI::App& app) {
  if (first.starts_with('-')) {
    if (app.get_option_no_throw(std::string(first)) != nullptr) return {};
    return fmt::format("There is no option \"{}\" in front of a command", first);
  }
  Nearest nearest(first);
  std::string_view longer;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    const std::string& name = command->get_name();
    if (name == first) return {};
    nearest.Consider(name);
    if (name.starts_with(first)) longer = name;
  }
  const std::string_view meant = nearest.best().empty() ? longer : nearest.best();
  return fmt::format("There is no command \"{}\"{}{}", first,
                     meant.empty() ? "" : ", did you mean ",
                     meant.empty() ? "" : fmt::format("{}?", meant));
}

}  // namespace signaldb
