#include "iceberg/metadata/table_metadata.h"

#include <algorithm>
#include <ranges>

namespace signaldb {
namespace {

template <typename T>
const T* ById(const std::vector<std::shared_ptr<const T>>& all, std::int32_t T::* id_of,
              std::int32_t id) {
  const auto found =
      std::ranges::find_if(all, [&](const auto& one) { return (*one).*id_of == id; });
  return found == all.end() ? nullptr : found->get();
}

}  // namespace

const Schema& TableMetadata::schema() const {
  const Schema* found = SchemaById(current_schema_id);
  SIGNALDB_ASSERT(found != nullptr);
  return *found;
}

const PartitionSpec& TableMetadata::partition_spec() const {
  const PartitionSpec* found = SpecById(default_spec_id);
  SIGNALDB_ASSERT(found != nullptr);
  return *found;
}

const SortOrder& TableMetadata::sort_order() const {
  const SortOrder* found = ById(sort_orders, &SortOrder::order_id, default_sort_order_id);
  SIGNALDB_ASSERT(found != nullptr);
  return *found;
}

const PartitionSpec* TableMetadata::SpecById(std::int32_t id) const {
  return ById(partition_specs, &PartitionSpec::spec_id, id);
}

const Schema* TableMetadata::SchemaById(std::int32_t id) const {
  return ById(schemas, &Schema::schema_id, id);
}

const Snapshot* TableMetadata::SnapshotById(std::int64_t id) const {
  // The newest are asked for most and stand last.
  for (const auto& snapshot : snapshots | std::views::reverse) {
    if (snapshot->snapshot_id == id) return snapshot.get();
  }
  return nullptr;
}

const Snapshot* TableMetadata::current_snapshot() const {
  return current_snapshot_id ? SnapshotById(*current_snapshot_id) : nullptr;
}

}  // namespace signaldb
