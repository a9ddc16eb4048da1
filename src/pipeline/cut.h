#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <stop_token>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/memory_budget.h"
#include "signaldb/result.h"
#include "telemetry/signal.h"
#include "writer/positioned_rows.h"

namespace signaldb {

/// Why a cut was made; the label of its metric.
enum class CutReason : std::uint8_t {
  kAge,
  kBytes,
  kRows,
  kMemory,
  kPartitions,
  kFlush,
  kShutdown
};
[[nodiscard]] std::string_view ToString(CutReason reason);

/// Adds the hours of the rows' `timestamp` since 1970: the partitions they go to.
void AddHours(const arrow::RecordBatch& rows, std::set<std::int64_t>& hours);

/// A message that is durable in its source, decoded: what a source hands to the cuts.
struct DecodedMessage {
  SourcePosition position = 0;
  Nanos received_at{0};  ///< Wall clock.
  /// By TableKind; no batch where the message has no rows (or none that its table lacks).
  std::array<std::shared_ptr<arrow::RecordBatch>, kTableKinds> rows;
  MemoryBudget::Hold hold;  ///< Covers the rows.
};

/// The unit of commit: all rows of a dataset, over all its tables, of all messages from `first` to
/// `last`.
struct Cut {
  DatasetId dataset;
  std::array<std::vector<PositionedRows>, kTableKinds> tables;
  SourcePosition first = 0;
  SourcePosition last = 0;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;        ///< Of the budget.
  Nanos oldest_received_at{0};   ///< Wall clock, for the delay until visible.
  Nanos begun_at{0};             ///< Monotonic, for the age.
  std::set<std::int64_t> hours;  ///< Partitions touched.
  std::vector<MemoryBudget::Hold> holds;

  [[nodiscard]] bool empty() const { return last == 0; }
  /// Takes the message in. Its position is above `last`.
  void Add(DecodedMessage message, Nanos monotonic_now);
};

/// One cut on its way into the tables, until the outcome is definite.
///
/// Threads: confined to one thread at a time.
class CutCommit {
 public:
  virtual ~CutCommit() = default;

  /// Tries once more. Success: every row of the cut is in its table, exactly once, durably; never
  /// called again. After an error the rows are kept for the next attempt, whatever the kind.
  [[nodiscard]] virtual Status Attempt(std::stop_token stop) = 0;
};

using BeginCutCommit = std::function<std::unique_ptr<CutCommit>(Cut cut, CutReason reason)>;

}  // namespace signaldb
