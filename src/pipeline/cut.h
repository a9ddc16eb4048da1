#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/memory_budget.h"
#include "signaldb/result.h"
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

/// Adds the hours of the rows' `timestamp` since 1970, the partitions they go to; none if the rows
/// have no such column.
void AddHours(const arrow::RecordBatch& rows, std::set<std::int64_t>& hours);

/// Rows for one table of a dataset, by its name in the dataset's namespace.
struct TableRows {
  std::string table;
  std::shared_ptr<arrow::RecordBatch> rows;
};

/// What a durable message has for one dataset, decoded.
struct DecodedMessage {
  Nanos received_at{0};           ///< Wall clock.
  std::vector<TableRows> tables;  ///< Those it has rows for, one element each.
  MemoryBudget::Hold hold;        ///< Covers the rows.
};

/// Where a message stands, and how it came.
struct MessageOrigin {
  std::shared_ptr<const SourceLane> lane;
  SourcePosition position = 0;
  Delivery delivery = Delivery::kAgain;
};

/// The unit of commit: the rows of a dataset, over all its tables, of all messages from the last
/// cut to this one, of all lanes.
struct Cut {
  struct Message {
    MessageOrigin origin;
    MemoryBudget::Hold hold;
  };

  DatasetId dataset;
  std::map<std::string, std::vector<PositionedRows>> tables;  ///< By name.
  std::vector<Message> messages;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;        ///< Of the budget.
  Nanos oldest_received_at{0};   ///< Wall clock, for the delay until visible.
  Nanos begun_at{0};             ///< Monotonic, for the age.
  std::set<std::int64_t> hours;  ///< Partitions touched.

  [[nodiscard]] bool empty() const { return messages.empty(); }
  /// Takes the message in. Its position is above those of its lane.
  void Add(const MessageOrigin& origin, DecodedMessage message, Nanos monotonic_now);
  /// Takes out what the lane brought.
  void Drop(const SourceLane& lane);
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

  /// How often the call of Attempt that succeeded had been ready in vain because other writers'
  /// commits came first; a call that gives up for that reason ends with kConflict.
  [[nodiscard]] virtual int lost_races() const { return 0; }
};

using BeginCutCommit = std::function<std::unique_ptr<CutCommit>(Cut cut, CutReason reason)>;

}  // namespace signaldb
