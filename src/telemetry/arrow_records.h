#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <protozero/pbf_writer.hpp>

#include "signaldb/result.h"
#include "telemetry/arrow_cells.h"
#include "telemetry/signal.h"

namespace signaldb {

/// The cells that say a row's resource. Rows in a run that say the same share one.
struct ResourceCells {
  std::string_view json;  ///< Flat attributes, or {"attributes":{...},"schema_url":"..."}.
  std::string_view schema_url;
  friend bool operator==(const ResourceCells&, const ResourceCells&) = default;
};

/// The cells that say a row's scope: JSON of all of it, or one cell each.
struct ScopeCells {
  std::string_view json;
  std::string_view name;
  std::string_view version;
  std::string_view schema_url;
  std::string_view attributes_json;
  friend bool operator==(const ScopeCells&, const ScopeCells&) = default;
};

/// What OTLP has no room for: where a wire cell is null and OTLP would say 0, and a service name
/// beside the resource.
struct CellRemarks {
  std::string_view service_name;  ///< Empty: as the resource says.
  std::uint8_t nulls = 0;         ///< Bit i: null in ArrowRecords::nullable_columns()[i].
};

/// Rows of one wire schema as OTLP records: a span, a log record or a metric each.
///
/// Lifetime: borrows the batch that was bound last. Threads: confined to one decoder.
class ArrowRecords {
 public:
  virtual ~ArrowRecords() = default;

  /// Looks at `batch` from here on; its rows are called `first_row` and so on in messages. Errors:
  /// kInvalid (not this schema).
  [[nodiscard]] virtual Status Bind(const arrow::RecordBatch& batch, std::int64_t first_row) = 0;
  [[nodiscard]] virtual ResourceCells Resource(std::int64_t row) const = 0;
  [[nodiscard]] virtual ScopeCells Scope(std::int64_t row) const = 0;
  [[nodiscard]] virtual CellRemarks Remarks(std::int64_t row) const = 0;
  /// Writes the row's Span, LogRecord or Metric. Errors: kInvalid (names the column and the row).
  [[nodiscard]] virtual Status Write(std::int64_t row, std::string& record) = 0;

  /// Table columns that take over nulls of wire cells.
  [[nodiscard]] virtual std::span<const std::string_view> nullable_columns() const = 0;
  /// Table columns that the wire schema has nothing for.
  [[nodiscard]] virtual std::span<const std::string_view> absent_columns() const = 0;
  /// Columns of the batch that the wire schema does not know.
  [[nodiscard]] std::int64_t unknown_columns() const { return unknown_columns_; }

 protected:
  std::int64_t unknown_columns_ = 0;
};

/// `table`: of metrics, the table that the sender names for all rows, if it does.
[[nodiscard]] std::unique_ptr<ArrowRecords> MakeArrowRecords(Signal signal,
                                                             std::optional<TableKind> table);

/// What the three schemas have in common: reading JSON cells.
class JsonCells {
 public:
  void Bind(std::int64_t first_row) { first_row_ = first_row; }

  /// A JSON object of attributes, as KeyValues in repeated field `tag` of `out`, which writes to
  /// `bytes`. Empty text and a JSON null are no attributes. Errors: kInvalid.
  [[nodiscard]] Status Attributes(std::string_view text, std::string_view column, std::int64_t row,
                                  std::uint32_t tag, protozero::pbf_writer& out,
                                  std::string& bytes) const;
  [[nodiscard]] Error Wrong(std::string_view what, std::string_view column, std::int64_t row) const;
  [[nodiscard]] Error Wrong(const Error& error, std::string_view column, std::int64_t row) const {
    return Wrong(error.message, column, row);
  }

 private:
  std::int64_t first_row_ = 0;
};

// In files of their own, for MakeArrowRecords.
[[nodiscard]] std::unique_ptr<ArrowRecords> MakeArrowSpans();
[[nodiscard]] std::unique_ptr<ArrowRecords> MakeArrowLogs();
[[nodiscard]] std::unique_ptr<ArrowRecords> MakeArrowMetrics(std::optional<TableKind> table);

}  // namespace signaldb
