#pragma once

#include "base/event_listener.h"

namespace signaldb {

/// While it lives, what gRPC has to say goes to the listener as lines of module "rpc" instead of
/// to stderr in gRPC's own format. gRPC has one place for such a function in a process, so there is
/// at most one of these at a time.
///
/// How much gRPC says is set by its variable GRPC_VERBOSITY; errors only, if it is not set.
///
/// Lifetime: borrows `events`, which outlives this object.
/// Threads:  gRPC calls from any of its threads.
class GrpcLog {
 public:
  explicit GrpcLog(EventListener& events);
  /// Lines that come later are dropped.
  ~GrpcLog();

  GrpcLog(const GrpcLog&) = delete;
  GrpcLog& operator=(const GrpcLog&) = delete;
};

}  // namespace signaldb
