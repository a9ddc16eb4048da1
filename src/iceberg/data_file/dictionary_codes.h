#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "iceberg/data_file/column_metrics.h"
#include "iceberg/data_file/leaf_pages.h"
#include "iceberg/data_file/leaf_values.h"
#include "iceberg/data_file/parquet_settings.h"

namespace signaldb {

/// A column chunk as indices into the values it uses.
struct DictionaryCodes {
  std::vector<std::uint32_t> codes;   ///< Of all pages, one after the other.
  std::vector<std::int32_t> entries;  ///< Which entry of the leaf values each code stands for, in
                                      ///< the order of first use.
  std::int64_t entry_bytes = 0;       ///< As a dictionary page has them.
};

/// The chunk as a dictionary, if that is worth while: dictionaries that come in lose their unused
/// entries, whole numbers within a narrow range are numbered by table, repetitive strings are found
/// by sample and hashed. Nothing if plain values are smaller, or the dictionary page would become
/// too large.
///
/// `range` is that of the whole chunk; its bounds may be unknown.
[[nodiscard]] std::optional<DictionaryCodes> FindDictionary(const LeafColumn& column,
                                                            const LeafValues& values,
                                                            const ValueRange& range,
                                                            DictionaryUse use,
                                                            std::int64_t dictionary_bytes_max);

/// Numbers a dictionary that came in, whether worth while or not.
[[nodiscard]] DictionaryCodes NumberEntries(const LeafColumn& column, const LeafValues& values);

/// Bits of one index into `count` entries, as the pages have it.
[[nodiscard]] int IndexWidth(std::size_t count);

}  // namespace signaldb
