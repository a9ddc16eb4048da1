#include "iceberg/metadata/snapshot_reader.h"

#include <limits>
#include <utility>

#include <fmt/format.h>

#include "iceberg/json/json_reader.h"

namespace signaldb {

void SnapshotReader::Begin(std::size_t index) {
  index_ = index;
  depth_ = 1;
  in_summary_ = has_id_ = has_timestamp_ = embeds_manifests_ = false;
  snapshot_ = std::make_shared<Snapshot>();
}

std::string SnapshotReader::Path(std::string_view key) const {
  return fmt::format("snapshots[{}].{}", index_, key);
}

bool SnapshotReader::Refuse(std::string_view wanted) {
  const std::string key = in_summary_ ? "summary." + summary_key_ : key_;
  error_ = WrongType(Path(key), wanted).error();
  return false;
}

bool SnapshotReader::Null() { return in_summary_ ? Refuse("a string") : true; }

bool SnapshotReader::Bool() { return Number(std::nullopt); }

bool SnapshotReader::Number(std::optional<std::int64_t> value) {
  if (in_summary_) return Refuse("a string");
  if (depth_ > 1) return true;
  Snapshot& snapshot = *snapshot_;
  std::optional<std::int64_t>* optional = nullptr;
  std::int64_t* plain = nullptr;
  if (key_ == "snapshot-id") {
    plain = &snapshot.snapshot_id;
    has_id_ = true;
  } else if (key_ == "timestamp-ms") {
    plain = &snapshot.timestamp_ms;
    has_timestamp_ = true;
  } else if (key_ == "sequence-number") {
    plain = &snapshot.sequence_number;
  } else if (key_ == "parent-snapshot-id") {
    optional = &snapshot.parent_snapshot_id;
  } else if (key_ == "first-row-id") {
    optional = &snapshot.first_row_id;
  } else if (key_ == "added-rows") {
    optional = &snapshot.added_rows;
  } else if (key_ == "schema-id") {
    if (!value || !std::in_range<std::int32_t>(*value)) return Refuse("an int");
    snapshot.schema_id = static_cast<std::int32_t>(*value);
    return true;
  } else {
    return key_ == "manifest-list" || key_ == "summary" ? Refuse("what it should be") : true;
  }
  if (!value) return Refuse("a long");
  if (plain != nullptr) *plain = *value;
  if (optional != nullptr) *optional = value;
  return true;
}

bool SnapshotReader::String(std::string_view text) {
  if (in_summary_) {
    if (summary_key_ == "operation") {
      snapshot_->operation = text;
    } else {
      // Writers sort their summaries or nearly so; the hint makes that cheap and is never wrong.
      snapshot_->summary.emplace_hint(snapshot_->summary.end(), summary_key_, text);
    }
    return true;
  }
  if (depth_ > 1) return true;
  if (key_ == "manifest-list") {
    snapshot_->manifest_list = text;
    return true;
  }
  for (const std::string_view number :
       {"snapshot-id", "timestamp-ms", "sequence-number", "parent-snapshot-id", "first-row-id",
        "added-rows", "schema-id"}) {
    if (key_ == number) return Refuse("a number");
  }
  return key_ == "summary" ? Refuse("an object") : true;
}

bool SnapshotReader::Key(std::string_view text) {
  if (in_summary_) {
    summary_key_ = text;
  } else if (depth_ == 1) {
    key_ = text;
  }
  return true;
}

bool SnapshotReader::StartObject() {
  if (in_summary_) return Refuse("a string");
  if (depth_ == 1) {
    if (key_ == "summary") {
      in_summary_ = true;
    } else if (!Number(std::nullopt)) {
      return false;
    }
  }
  return ++depth_ <= kJsonDepthMax;
}

bool SnapshotReader::StartArray() {
  if (in_summary_) return Refuse("a string");
  if (depth_ == 1) {
    if (key_ == "manifests") {
      embeds_manifests_ = true;
    } else if (!Number(std::nullopt)) {
      return false;
    }
  }
  return ++depth_ <= kJsonDepthMax;
}

bool SnapshotReader::EndNested() {
  --depth_;
  if (depth_ == 1) in_summary_ = false;
  return true;
}

Result<std::shared_ptr<const Snapshot>> SnapshotReader::Finish(std::string_view json) {
  if (!has_id_) return MissingKey(Path("snapshot-id"));
  if (!has_timestamp_) return MissingKey(Path("timestamp-ms"));
  if (snapshot_->manifest_list.empty()) {
    if (!embeds_manifests_) return MissingKey(Path("manifest-list"));
    return Fail(ErrorKind::kInvalid,
                fmt::format("snapshot lists its manifests inside the metadata file, which is not "
                            "supported; expire it with another engine key={} snapshot_id={}",
                            Path("manifests"), snapshot_->snapshot_id));
  }
  snapshot_->json = json;
  return std::move(snapshot_);
}

}  // namespace signaldb
