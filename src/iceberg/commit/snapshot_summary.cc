#include "iceberg/commit/snapshot_summary.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace signaldb {

namespace {

std::optional<std::int64_t> CountIn(const Properties& summary, std::string_view key) {
  const auto found = summary.find(key);
  if (found == summary.end()) return std::nullopt;
  std::int64_t count = 0;
  const char* const end = found->second.data() + found->second.size();
  const auto [rest, error] = std::from_chars(found->second.data(), end, count);
  if (error != std::errc() || rest != end || count < 0) return std::nullopt;
  return count;
}

std::size_t PartitionsIn(const std::vector<DataFile>& files) {
  std::vector<std::pair<std::int32_t, const PartitionValues*>> seen;
  for (const DataFile& file : files) {
    const bool known = std::ranges::any_of(seen, [&](const auto& one) {
      return one.first == file.spec_id && *one.second == file.partition;
    });
    if (!known) seen.emplace_back(file.spec_id, &file.partition);
  }
  return seen.size();
}

}  // namespace

Properties MakeAppendSummary(const std::vector<DataFile>& files, const Snapshot* head,
                             const Properties& more) {
  std::int64_t records = 0;
  std::int64_t bytes = 0;
  for (const DataFile& file : files) {
    records += file.record_count;
    bytes += file.file_size_in_bytes;
  }
  const auto file_count = static_cast<std::int64_t>(files.size());

  Properties summary = more;
  const auto count = [&](std::string_view key, std::int64_t value) {
    summary.erase(std::string(key));
    if (value > 0) summary.emplace(key, std::to_string(value));
  };
  count("added-data-files", file_count);
  count("added-records", records);
  count("added-files-size", bytes);
  summary["changed-partition-count"] = std::to_string(PartitionsIn(files));

  const auto total = [&](std::string_view key, std::int64_t added) {
    summary.erase(std::string(key));
    const std::optional<std::int64_t> before =
        head == nullptr ? std::optional<std::int64_t>(0) : CountIn(head->summary, key);
    if (before.has_value()) summary.emplace(key, std::to_string(*before + added));
  };
  total("total-records", records);
  total("total-files-size", bytes);
  total("total-data-files", file_count);
  total("total-delete-files", 0);
  total("total-position-deletes", 0);
  total("total-equality-deletes", 0);
  return summary;
}

}  // namespace signaldb
