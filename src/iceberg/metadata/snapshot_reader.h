#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "iceberg/metadata/table_metadata.h"

namespace signaldb {

/// Builds a Snapshot from the events of its JSON object, without a document in between: tables
/// have tens of thousands of snapshots and their metadata is read whole.
///
/// Every event returns false after an error, which `error()` then holds.
/// Threads: thread-compatible.
class SnapshotReader {
 public:
  /// Starts with the object number `index` of the array, whose '{' was just read.
  void Begin(std::size_t index);

  bool Null();
  bool Bool();
  bool Number(std::optional<std::int64_t> value);  ///< nullopt: not a 64-bit integer.
  bool String(std::string_view text);
  bool Key(std::string_view text);
  bool StartObject();
  bool StartArray();
  bool EndNested();
  /// True while the object begun last is not closed.
  [[nodiscard]] bool inside() const { return depth_ > 0; }

  /// Takes the finished snapshot; `json` is its text. Errors: kCorrupt (a missing key), kInvalid
  /// (manifests listed inside the metadata file).
  [[nodiscard]] Result<std::shared_ptr<const Snapshot>> Finish(std::string_view json);

  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  bool Refuse(std::string_view wanted);
  [[nodiscard]] std::string Path(std::string_view key) const;

  std::size_t index_ = 0;
  int depth_ = 0;  // 1 in the snapshot, 2 in its summary, more in values we do not read.
  bool in_summary_ = false;
  bool has_id_ = false;
  bool has_timestamp_ = false;
  bool embeds_manifests_ = false;
  std::string key_;
  std::string summary_key_;
  std::shared_ptr<Snapshot> snapshot_;
  std::optional<Error> error_;
};

}  // namespace signaldb
