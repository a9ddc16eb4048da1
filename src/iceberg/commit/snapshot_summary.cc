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

std::size_t PartitionsIn(const std::vector<DataFile>& added, const std::vector<DataFile>& removed) {
  std::vector<std::pair<std::int32_t, const PartitionValues*>> seen;
  for (const std::vector<DataFile>* files : {&added, &removed}) {
    for (const DataFile& file : *files) {
      const bool known = std::ranges::any_of(seen, [&](const auto& one) {
        return one.first == file.spec_id && *one.second == file.partition;
      });
      if (!known) seen.emplace_back(file.spec_id, &file.partition);
    }
  }
  return seen.size();
}

struct Sums {
  std::int64_t files = 0;
  std::int64_t records = 0;
  std::int64_t bytes = 0;
};

Sums SumsOf(const std::vector<DataFile>& files) {
  Sums sums{.files = static_cast<std::int64_t>(files.size())};
  for (const DataFile& file : files) {
    sums.records += file.record_count;
    sums.bytes += file.file_size_in_bytes;
  }
  return sums;
}

}  // namespace

std::string_view OperationOf(const std::vector<DataFile>& added,
                             const std::vector<DataFile>& removed) {
  if (removed.empty()) return "append";
  return added.empty() ? "delete" : "overwrite";
}

Properties MakeSnapshotSummary(const std::vector<DataFile>& added,
                               const std::vector<DataFile>& removed, const Snapshot* head,
                               const Properties& more) {
  const Sums in = SumsOf(added);
  const Sums out = SumsOf(removed);

  Properties summary = more;
  const auto count = [&](std::string_view key, std::int64_t value) {
    summary.erase(std::string(key));
    if (value > 0) summary.emplace(key, std::to_string(value));
  };
  count("added-data-files", in.files);
  count("added-records", in.records);
  count("added-files-size", in.bytes);
  count("deleted-data-files", out.files);
  count("deleted-records", out.records);
  count("removed-files-size", out.bytes);
  summary["changed-partition-count"] = std::to_string(PartitionsIn(added, removed));

  const auto total = [&](std::string_view key, std::int64_t change) {
    summary.erase(std::string(key));
    const std::optional<std::int64_t> before =
        head == nullptr ? std::optional<std::int64_t>(0) : CountIn(head->summary, key);
    if (before.has_value() && *before + change >= 0) {
      summary.emplace(key, std::to_string(*before + change));
    }
  };
  total("total-records", in.records - out.records);
  total("total-files-size", in.bytes - out.bytes);
  total("total-data-files", in.files - out.files);
  total("total-delete-files", 0);
  total("total-position-deletes", 0);
  total("total-equality-deletes", 0);
  return summary;
}

}  // namespace signaldb
