#include "iceberg/arrow_error.h"

#include <new>
#include <string>

#include <arrow/io/type_fwd.h>
#include <arrow/status.h>
#include <fmt/format.h>
#include <parquet/exception.h>

namespace signaldb {

namespace {

ErrorKind KindOf(const arrow::Status& status) {
  switch (status.code()) {
    case arrow::StatusCode::Invalid:
    case arrow::StatusCode::TypeError:
    case arrow::StatusCode::NotImplemented:
    case arrow::StatusCode::CapacityError:
    case arrow::StatusCode::IndexError:
      return ErrorKind::kInvalid;
    case arrow::StatusCode::IOError:
    case arrow::StatusCode::OutOfMemory:
      return ErrorKind::kUnavailable;
    case arrow::StatusCode::Cancelled:
      return ErrorKind::kCancelled;
    default:
      return ErrorKind::kInternal;
  }
}

}  // namespace

Error ErrorFromArrow(const arrow::Status& status, std::string_view doing) {
  return Error{KindOf(status), fmt::format("{}: {}", doing, status.message())};
}

Status CatchingParquet(std::string_view doing, const std::function<Status()>& body) {
  try {
    return body();
  } catch (const parquet::ParquetInvalidOrCorruptedFileException& e) {
    return Fail(ErrorKind::kCorrupt, fmt::format("{}: {}", doing, e.what()));
  } catch (const parquet::ParquetStatusException& e) {
    return std::unexpected(ErrorFromArrow(e.status(), doing));
  } catch (const std::bad_alloc&) {
    return Fail(ErrorKind::kUnavailable, fmt::format("{}: out of memory", doing));
  } catch (const std::exception& e) {
    return Fail(ErrorKind::kInternal, fmt::format("{}: {}", doing, e.what()));
  }
}

}  // namespace signaldb
