#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "service/configuration.h"
#include "service/configuration_keys.h"
#include "service/source_block_keys.h"
#include "signaldb/result.h"

namespace signaldb {

/// One value on its way in.
struct Setting {
  std::string key;
  std::string text;
  std::string origin;
};

/// The mistakes of a configuration, a line each, in the order in which they were found.
///
/// Threads: thread-compatible.
class Mistakes {
 public:
  /// Lines that are shown; of more, only the count.
  static constexpr std::size_t kShownMax = 20;

  /// `key` was to be set by this: what it has instead says nothing about other keys.
  void Add(std::string_view origin, std::string_view what, std::string_view key);
  /// A whole source cannot be read, so nothing is known of any key.
  void AddOfSource(std::string line);
  /// A line that names place and key already.
  void AddReady(std::string line);
  /// `key` was probably meant by a mistake that is already here.
  void Doubt(std::string_view key) { doubtful_.emplace(key); }

  [[nodiscard]] bool empty() const { return count_ == 0; }
  /// Whether a mistake may be the reason for the value of one of `keys`.
  [[nodiscard]] bool Touch(std::initializer_list<std::string_view> keys) const;
  /// The same of all keys of a section.
  [[nodiscard]] bool TouchSection(std::string_view section) const;
  /// kInvalid; not if there is no mistake.
  [[nodiscard]] Error ToError() const;

 private:
  std::vector<std::string> lines_;
  std::size_t count_ = 0;
  std::set<std::string, std::less<>> doubtful_;
  bool all_doubtful_ = false;
};

/// Takes settings, the weakest first, remembers where each value came from, and
/// makes the configuration of them.
///
/// Threads: thread-compatible.
class ConfigurationAssembly {
 public:
  /// Begins with the default of every key.
  ConfigurationAssembly();

  /// Sets what `setting` says; its key is a known one.
  void Apply(Setting setting, Mistakes& mistakes);

  /// The configuration, after everything was applied: paths become absolute, defaults fit the
  /// memory budget, and what must hold between keys is checked.
  [[nodiscard]] LoadedConfiguration Finish(const std::string& working_directory,
                                           Mistakes& mistakes);

 private:
  void ShrinkDefaults();
  void ShrinkDefault(std::string_view key, std::int64_t most);
  void ResolveLocations(const std::string& working_directory, Mistakes& mistakes);
  void BuildBlocksOf(const std::string& working_directory, Mistakes& mistakes);
  void CheckTogether(Mistakes& mistakes) const;
  void CheckMemory(Mistakes& mistakes) const;
  void CheckAddresses(Mistakes& mistakes) const;

  [[nodiscard]] const Setting& InForce(std::string_view key) const;
  /// "memory.budget, which is 64MiB (signaldb.toml:3)"
  [[nodiscard]] std::string Described(std::string_view key) const;
  [[nodiscard]] std::vector<ConfigurationValue> Shown() const;
  [[nodiscard]] std::vector<std::string> Warnings() const;

  ServiceConfiguration values_;
  std::map<std::string, Setting, std::less<>> in_force_;
  BlockValues blocks_;
  std::vector<ConfigurationValue> shown_blocks_;
};

}  // namespace signaldb
