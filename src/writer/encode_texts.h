#pragma once

#include <string>
#include <vector>

#include "signaldb/result.h"
#include "writer/column_view.h"

namespace signaldb {

/// Gives those of the named top-level columns that are plain utf8 in all batches, and whose texts
/// repeat, one dictionary over all batches. So texts are compared, copied and counted as numbers
/// from here to the file. What has a dictionary already, does not repeat, or is too little to be
/// worth it stays.
///
/// Errors: kUnavailable (memory).
[[nodiscard]] Result<Batches> EncodeTexts(Batches batches, const std::vector<std::string>& columns);

}  // namespace signaldb
