#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/ipc/options.h>
#include <arrow/type_fwd.h>

#include "telemetry/signal.h"

namespace signaldb::testing {

/// Wire schema v1 of a signal, as senders have it.
[[nodiscard]] std::shared_ptr<arrow::Schema> WireSchema(Signal signal);

/// Rows from a JSON array of objects; columns that an object leaves out are null, cells of
/// binary columns are hex. Fails the process if it is not that.
[[nodiscard]] std::shared_ptr<arrow::RecordBatch> WireBatch(
    const std::shared_ptr<arrow::Schema>& schema, const std::string& json);

/// An Arrow IPC stream of the batches.
[[nodiscard]] std::string IpcStream(
    const std::shared_ptr<arrow::Schema>& schema,
    const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
    const arrow::ipc::IpcWriteOptions& options = arrow::ipc::IpcWriteOptions::Defaults());

/// The `app_metadata` of a put; `more` is members to add, behind a comma.
[[nodiscard]] std::string WireMetadata(Signal signal, std::string_view more = "");

}  // namespace signaldb::testing
