#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "iceberg/data_file/leaf_pages.h"
#include "iceberg/data_file/leaf_values.h"
#include "iceberg/data_file/parquet_settings.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/schema/literal.h"

namespace signaldb {

/// What is known of the values of a page, a column chunk or a file.
struct ValueRange {
  std::int64_t values = 0;  ///< With nulls and NaNs.
  std::int64_t nulls = 0;
  std::int64_t nans = 0;
  std::optional<Literal> lower;  ///< Nothing if there is no value but nulls and NaNs.
  std::optional<Literal> upper;

  void Merge(const Type& type, const ValueRange& other);
};

/// One pass over the values of a page. A zero bound of a float is -0.0 below and +0.0 above.
///
/// `used`: the dictionary entries that the page uses, if it has a dictionary.
[[nodiscard]] ValueRange RangeOf(const Type& type, const LeafValues& values, const LeafPage& page,
                                 const std::vector<std::int32_t>* used);

/// The bound as a Parquet footer stores it.
[[nodiscard]] std::string ParquetBytes(const Type& type, const Literal& literal);

/// The lower bound cut to `length` code points (string) or bytes (binary).
[[nodiscard]] std::string TruncateLower(const Type& type, const std::string& value,
                                        std::int32_t length);
/// The shortest value of at most `length` that is not below any value with this prefix; nothing if
/// there is none.
[[nodiscard]] std::optional<std::string> TruncateUpper(const Type& type, const std::string& value,
                                                       std::int32_t length);

/// Enters counts and bounds of a column into `file`, as far as its mode says. Columns inside lists
/// and maps are not given here: they have no such metrics.
void AddColumnMetrics(const Field& field, const MetricsMode& mode, const ValueRange& range,
                      DataFile& file);

}  // namespace signaldb
