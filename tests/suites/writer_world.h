#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <gmock/gmock.h>

#include "adapters/local/posix_file_system.h"
#include "adapters/memory/memory_catalog.h"
#include "adapters/memory/memory_file_io.h"
#include "base/random.h"
#include "iceberg/scan/table_scan.h"
#include "library/writer_parts.h"
#include "signaldb/iceberg_table_writer.h"
#include "testing/fake_clock.h"
#include "testing/faulty_catalog.h"
#include "testing/faulty_file_io.h"
#include "testing/matchers.h"

namespace signaldb::testing {

using Rows = std::vector<std::pair<std::int64_t, std::string>>;

/// Columns id (int64, required) and body (utf8).
inline std::shared_ptr<arrow::Schema> EventSchema() {
  return arrow::schema(
      {arrow::field("id", arrow::int64(), false), arrow::field("body", arrow::utf8())});
}

inline std::shared_ptr<arrow::RecordBatch> EventBatch(std::int64_t first, std::int64_t count,
                                                      const std::string& body = "b") {
  arrow::Int64Builder ids;
  arrow::StringBuilder bodies;
  for (std::int64_t i = first; i < first + count; ++i) {
    EXPECT_TRUE(ids.Append(i).ok());
    EXPECT_TRUE(bodies.Append(body + std::to_string(i)).ok());
  }
  return arrow::RecordBatch::Make(EventSchema(), count,
                                  {ids.Finish().ValueOrDie(), bodies.Finish().ValueOrDie()});
}

inline Rows EventRows(std::int64_t first, std::int64_t count, const std::string& body = "b") {
  Rows rows;
  for (std::int64_t i = first; i < first + count; ++i) {
    rows.emplace_back(i, body + std::to_string(i));
  }
  return rows;
}

/// A store in memory whose files, catalog and clock do as the test says.
class FaultyStore final : public ObjectStore {
 public:
  /// `working` is what stands behind the catalog with faults.
  explicit FaultyStore(std::unique_ptr<Catalog> working)
      : ObjectStore(std::make_unique<Parts>()), real_catalog(std::move(working)) {
    auto owned_clock = std::make_unique<FakeClock>();
    clock = owned_clock.get();
    parts().clock = std::move(owned_clock);
    parts().random = std::make_unique<SeededRandom>(7);
    parts().files = std::make_unique<PosixFileSystem>();
    auto owned_io = std::make_unique<FaultyFileIo>(real_io);
    io = owned_io.get();
    parts().io = std::move(owned_io);
    parts().warehouse = "memory://";
    auto owned_catalog = std::make_shared<FaultyCatalog>(*real_catalog);
    catalog = owned_catalog.get();
    parts().memory_catalogs["memory:signaldb"] = std::move(owned_catalog);
  }

  MemoryFileIo real_io;
  std::unique_ptr<Catalog> real_catalog;
  FakeClock* clock = nullptr;
  FaultyFileIo* io = nullptr;
  FaultyCatalog* catalog = nullptr;
};

/// Writers over such a store, and what a reader sees.
class WriterWorld {
 public:
  explicit WriterWorld(std::unique_ptr<Catalog> working = std::make_unique<MemoryCatalog>())
      : store(std::make_shared<FaultyStore>(std::move(working))) {
    config.schema.catalog_type = "memory";
    config.on_log = [this](const std::string& line) { lines.push_back(line); };
  }

  std::unique_ptr<IcebergTableWriter> OpenWriter(const std::string& table = "events",
                                                 TableOptions options = {}) {
    if (options.schema == nullptr) options.schema = EventSchema();
    auto writer = CreateIcebergWriterForTable(config, store, "acme", "prod", table, options);
    EXPECT_THAT(writer, IsOk());
    return writer.has_value() ? *std::move(writer) : nullptr;
  }

  /// As the catalog has the table now, past all caches and faults.
  TableMetadata Current(const std::string& table = "events") {
    const auto location =
        store->real_catalog->MetadataLocation({.levels = {"acme", "prod"}, .name = table});
    EXPECT_THAT(location, IsOk());
    const auto bytes = store->real_io.Read(location.value_or(""));
    EXPECT_THAT(bytes, IsOk());
    return ParseTableMetadata(bytes.value_or("")).value_or(TableMetadata{});
  }

  std::vector<std::shared_ptr<arrow::RecordBatch>> ReadBatches(
      const std::string& table = "events") {
    auto batches = ReadTable(store->real_io, Current(table));
    EXPECT_THAT(batches, IsOk());
    return batches.value_or(std::vector<std::shared_ptr<arrow::RecordBatch>>{});
  }

  /// Sorted by id.
  Rows Read(const std::string& table = "events") {
    Rows rows;
    for (const auto& batch : ReadBatches(table)) {
      const auto& ids = static_cast<const arrow::Int64Array&>(*batch->GetColumnByName("id"));
      const auto& bodies = static_cast<const arrow::StringArray&>(*batch->GetColumnByName("body"));
      for (std::int64_t i = 0; i < batch->num_rows(); ++i) {
        rows.emplace_back(ids.Value(i), bodies.IsNull(i) ? "null" : bodies.GetString(i));
      }
    }
    std::ranges::sort(rows);
    return rows;
  }

  std::size_t Snapshots(const std::string& table = "events") {
    return Current(table).snapshots.size();
  }

  /// Locations of all Parquet files in the store, referred to or not.
  std::vector<std::string> DataFiles() {
    auto all = store->real_io.List("memory://").value_or(std::vector<std::string>{});
    std::erase_if(all, [](const std::string& name) { return !name.ends_with(".parquet"); });
    return all;
  }

  [[nodiscard]] bool Logged(const std::string& first, const std::string& second) const {
    return std::ranges::any_of(lines, [&](const std::string& line) {
      return line.contains(first) && line.contains(second);
    });
  }

  std::shared_ptr<FaultyStore> store;
  Configuration config;
  std::vector<std::string> lines;
};

}  // namespace signaldb::testing
