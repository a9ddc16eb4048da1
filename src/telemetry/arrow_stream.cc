#include "telemetry/arrow_stream.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <fmt/format.h>

namespace signaldb {
namespace {

/// What a body may take once its buffers are decompressed: four times what a receiver lets in. It
/// bounds what a few bytes can claim to become.
constexpr std::int64_t kDecompressedBytesMax = std::int64_t{256} << 20;
Error Undecodable(const arrow::Status& status) {
  if (status.IsOutOfMemory()) {
    return {ErrorKind::kInvalid,
            fmt::format("request becomes too large when decompressed, send smaller batches "
                        "bytes_max={}",
                        kDecompressedBytesMax)};
  }
  return {ErrorKind::kInvalid,
          fmt::format("request is not a valid arrow stream: {}", status.message())};
}

}  // namespace

Status ReadArrowStream(
    std::span<const std::byte> stream, std::int64_t rows_max,
    const std::function<Status(const std::shared_ptr<arrow::RecordBatch>& batch)>& each) {
  // The cap counts what the pool under it has given out: so one that is ours alone.
  arrow::ProxyMemoryPool own(arrow::default_memory_pool());
  arrow::CappedMemoryPool pool(&own, kDecompressedBytesMax);
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.memory_pool = &pool;
  options.use_threads = false;
  options.ensure_alignment = arrow::ipc::Alignment::kDataTypeSpecificAlignment;
  arrow::io::BufferReader source(
      std::make_shared<arrow::Buffer>(reinterpret_cast<const std::uint8_t*>(stream.data()),
                                      static_cast<std::int64_t>(stream.size())));
  auto reader = arrow::ipc::RecordBatchStreamReader::Open(&source, options);
  if (!reader.ok()) return std::unexpected(Undecodable(reader.status()));
  std::int64_t rows = 0;
  while (true) {
    std::shared_ptr<arrow::RecordBatch> batch;
    if (const auto read = (*reader)->ReadNext(&batch); !read.ok())
      return std::unexpected(Undecodable(read));
    if (batch == nullptr) return {};
    // Offsets and indices come from outside: nothing may look at a cell before this.
    if (const auto valid = batch->ValidateFull(); !valid.ok())
      return std::unexpected(Undecodable(valid));
    if (batch->num_rows() > rows_max - rows) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("request has too many records, send smaller batches records_max={}",
                              rows_max));
    }
    rows += batch->num_rows();
    SIGNALDB_TRY(each(batch));
  }
}

}  // namespace signaldb
