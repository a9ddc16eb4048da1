#include "iceberg/metadata/snapshot_expiry.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "iceberg/json/json_reader.h"

namespace signaldb {
namespace {

constexpr std::string_view kMainBranch = "main";

using Refs = std::map<std::string, SnapshotRef, std::less<>>;
// Few: as many as one commit expires.
using SnapshotIds = std::vector<std::int64_t>;

bool Has(const SnapshotIds& ids, std::int64_t id) {
  return std::ranges::find(ids, id) != ids.end();
}

bool IsTrue(const Properties& properties, std::string_view key) {
  const auto found = properties.find(key);
  return found != properties.end() && found->second == "true";
}

bool IsFalse(const Properties& properties, std::string_view key) {
  const auto found = properties.find(key);
  return found != properties.end() && found->second == "false";
}

template <typename T>
Status ReadPositive(const Properties& properties, std::string_view key, T& value) {
  const auto found = properties.find(key);
  if (found == properties.end()) return {};
  const std::string& text = found->second;
  T read = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), read);
  if (error != std::errc() || end != text.data() + text.size() || read <= 0) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("table property must be a number above 0 property={} value={:.40}", key, text));
  }
  value = read;
  return {};
}

// Never overflows: ages may be as large as their type, for "for ever".
std::int64_t CutoffOf(std::int64_t now_ms, std::int64_t age_max_ms) {
  return age_max_ms > now_ms ? 0 : now_ms - age_max_ms;
}

Refs YoungRefs(const TableMetadata& metadata, const ExpiryPolicy& policy, std::int64_t now_ms) {
  Refs refs = metadata.refs;
  std::erase_if(refs, [&](const auto& named) {
    const auto& [name, ref] = named;
    if (name == kMainBranch) return false;
    const std::int64_t cutoff =
        CutoffOf(now_ms, ref.max_ref_age_ms.value_or(policy.ref_age_max_ms));
    if (cutoff == 0) return false;
    const Snapshot* const snapshot = metadata.SnapshotById(ref.snapshot_id);
    return snapshot == nullptr || snapshot->timestamp_ms < cutoff;
  });
  return refs;
}

// Which snapshots, by their places in the metadata.
using Marks = std::vector<bool>;

// Parents stand before their children nearly always, so one walk backwards finds all ancestors.
class AncestorWalk {
 public:
  explicit AncestorWalk(const TableMetadata& metadata) : metadata_(metadata) {}

  // Its place; nothing if the table has it not.
  [[nodiscard]] std::optional<std::size_t> Find(std::int64_t id) {
    const auto& all = metadata_.snapshots;
    while (next_ < all.size()) {
      const std::size_t place = all.size() - 1 - next_++;
      if (all[place]->snapshot_id == id) return place;
    }
    const auto found =
        std::ranges::find_if(all, [&](const auto& one) { return one->snapshot_id == id; });
    if (found == all.end()) return std::nullopt;
    return static_cast<std::size_t>(found - all.begin());
  }

  [[nodiscard]] std::optional<std::size_t> FindParent(std::size_t place) {
    const auto& parent = metadata_.snapshots[place]->parent_snapshot_id;
    return parent ? Find(*parent) : std::nullopt;
  }

 private:
  const TableMetadata& metadata_;
  std::size_t next_ = 0;
};

void KeepBranch(const TableMetadata& metadata, const SnapshotRef& ref, const ExpiryPolicy& policy,
                std::int64_t now_ms, Marks& kept) {
  const std::int32_t count_min = ref.min_snapshots_to_keep.value_or(policy.snapshots_min);
  const std::int64_t cutoff =
      CutoffOf(now_ms, ref.max_snapshot_age_ms.value_or(policy.snapshot_age_max_ms));
  AncestorWalk walk(metadata);
  std::int32_t count = 0;
  for (auto place = walk.Find(ref.snapshot_id); place; place = walk.FindParent(*place)) {
    const bool is_young = metadata.snapshots[*place]->timestamp_ms >= cutoff;
    const bool is_within = ref.max_snapshot_age_ms || count < policy.snapshots_max;
    if (count >= count_min && !(is_young && is_within)) return;
    kept[*place] = true;
    // A history that runs in circles is damaged, but must not hang us.
    if (static_cast<std::size_t>(++count) > metadata.snapshots.size()) return;
  }
}

// Everything that a branch, a tag or its youth keeps.
Marks KeptSnapshots(const TableMetadata& metadata, const Refs& refs, const ExpiryPolicy& policy,
                    std::int64_t now_ms) {
  Marks kept(metadata.snapshots.size());
  for (const auto& [name, ref] : refs) {
    if (const auto place = AncestorWalk(metadata).Find(ref.snapshot_id)) kept[*place] = true;
    if (ref.is_branch) KeepBranch(metadata, ref, policy, now_ms, kept);
  }
  return kept;
}

Marks AncestorsOfBranches(const TableMetadata& metadata, const Refs& refs) {
  Marks ancestors(metadata.snapshots.size());
  for (const auto& [name, ref] : refs) {
    if (!ref.is_branch) continue;
    AncestorWalk walk(metadata);
    for (auto place = walk.Find(ref.snapshot_id); place && !ancestors[*place];
         place = walk.FindParent(*place)) {
      ancestors[*place] = true;
    }
  }
  return ancestors;
}

// Without looking at ancestors: whether there are more than any limit of number allows, or any
// that is old enough for any limit of age.
bool MayHaveOld(const TableMetadata& metadata, const Refs& refs, const ExpiryPolicy& policy,
                std::int64_t now_ms) {
  if (std::cmp_greater(metadata.snapshots.size(), policy.snapshots_max)) return true;
  std::int64_t age_max = policy.snapshot_age_max_ms;
  for (const auto& [name, ref] : refs) {
    age_max = std::min(age_max, ref.max_snapshot_age_ms.value_or(age_max));
  }
  const std::int64_t cutoff = CutoffOf(now_ms, age_max);
  return std::ranges::any_of(metadata.snapshots,
                             [&](const auto& snapshot) { return snapshot->timestamp_ms < cutoff; });
}

// The entries of statistics of other snapshots.
Result<std::string> WithoutSnapshots(const std::string& json, const SnapshotIds& expired) {
  if (expired.empty() || json == "[]") return json;
  rapidjson::Document document;
  SIGNALDB_TRY(ParseJson(json, document));
  if (!document.IsArray()) return WrongType("statistics", "an array");
  std::string kept = "[";
  for (const rapidjson::Value& value : document.GetArray()) {
    SIGNALDB_ASSIGN(const JsonObject object, JsonObject::Of(value, "statistics"));
    SIGNALDB_ASSIGN(const std::int64_t id, object.Long("snapshot-id"));
    if (Has(expired, id)) continue;
    if (kept.size() > 1) kept += ',';
    kept += JsonTextOf(value);
  }
  kept += ']';
  return kept;
}

// A log with a gap must not exist: it starts anew after the last entry that is gone.
void CutSnapshotLog(std::vector<SnapshotLogEntry>& log, const SnapshotIds& expired) {
  const auto last = std::find_if(log.rbegin(), log.rend(), [&](const SnapshotLogEntry& entry) {
    return Has(expired, entry.snapshot_id);
  });
  log.erase(log.begin(), last.base());
}

}  // namespace

Result<ExpiryPolicy> ExpiryPolicy::From(const Properties& properties) {
  ExpiryPolicy policy;
  policy.on_commit =
      IsTrue(properties, kExpireOnCommitProperty) && !IsFalse(properties, "gc.enabled");
  // What is not used cannot be wrong: others may write numbers that we do not know.
  if (!policy.on_commit) return policy;
  SIGNALDB_TRY(
      ReadPositive(properties, "history.expire.max-snapshot-age-ms", policy.snapshot_age_max_ms));
  SIGNALDB_TRY(
      ReadPositive(properties, "history.expire.min-snapshots-to-keep", policy.snapshots_min));
  SIGNALDB_TRY(ReadPositive(properties, kMaxSnapshotsProperty, policy.snapshots_max));
  SIGNALDB_TRY(ReadPositive(properties, "history.expire.max-ref-age-ms", policy.ref_age_max_ms));
  return policy;
}

Result<std::vector<std::shared_ptr<const Snapshot>>> ExpireSnapshots(TableMetadata& metadata,
                                                                     const ExpiryPolicy& policy,
                                                                     std::int64_t now_ms,
                                                                     std::size_t count_max) {
  std::vector<std::shared_ptr<const Snapshot>> expired;
  const Refs refs = YoungRefs(metadata, policy, now_ms);
  SnapshotIds gone;
  if (MayHaveOld(metadata, refs, policy, now_ms)) {
    const Marks kept = KeptSnapshots(metadata, refs, policy, now_ms);
    const Marks of_branches = AncestorsOfBranches(metadata, refs);
    const std::int64_t cutoff = CutoffOf(now_ms, policy.snapshot_age_max_ms);
    for (std::size_t i = 0; i < metadata.snapshots.size() && gone.size() < count_max; ++i) {
      const auto& snapshot = metadata.snapshots[i];
      if (kept[i] || (snapshot->timestamp_ms >= cutoff && !of_branches[i])) continue;
      gone.push_back(snapshot->snapshot_id);
      expired.push_back(snapshot);
    }
  }
  SIGNALDB_ASSIGN(std::string statistics, WithoutSnapshots(metadata.statistics_json, gone));
  SIGNALDB_ASSIGN(std::string of_partitions,
                  WithoutSnapshots(metadata.partition_statistics_json, gone));
  metadata.statistics_json = std::move(statistics);
  metadata.partition_statistics_json = std::move(of_partitions);
  metadata.refs = refs;
  if (gone.empty()) return expired;
  std::erase_if(metadata.snapshots,
                [&](const auto& snapshot) { return Has(gone, snapshot->snapshot_id); });
  CutSnapshotLog(metadata.snapshot_log, gone);
  return expired;
}

bool HasHistorySince(const TableMetadata& metadata, std::int64_t sequence_number) {
  const auto later = std::ranges::count_if(metadata.snapshots, [&](const auto& snapshot) {
    return snapshot->sequence_number > sequence_number;
  });
  return later >= metadata.last_sequence_number - sequence_number;
}

}  // namespace signaldb
