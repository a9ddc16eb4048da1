#include "signaldb/result.h"

#include <cstdio>
#include <cstdlib>

namespace signaldb {

std::string_view ToString(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kConflict:
      return "conflict";
    case ErrorKind::kUnavailable:
      return "unavailable";
    case ErrorKind::kUnknownOutcome:
      return "unknown_outcome";
    case ErrorKind::kInvalid:
      return "invalid";
    case ErrorKind::kNotFound:
      return "not_found";
    case ErrorKind::kCorrupt:
      return "corrupt";
    case ErrorKind::kCancelled:
      return "cancelled";
    case ErrorKind::kInternal:
      return "internal";
  }
  return "internal";
}

void AbortBecause(const char* what, const char* file, int line) {
  std::fprintf(stderr, "signaldb: broken invariant: %s at %s:%d\n", what, file, line);
  std::abort();
}

}  // namespace signaldb
