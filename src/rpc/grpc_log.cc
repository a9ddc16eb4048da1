#include "rpc/grpc_log.h"

#include <cstring>
#include <mutex>
#include <string>

#include <fmt/format.h>
#include <grpc/support/log.h>

#include "signaldb/result.h"

namespace signaldb {
namespace {

// gRPC's callback takes no context, so the listener has to be found from here. The lock is held
// during a call, for the listener to be gone for sure after the destructor.
struct Route {
  std::mutex mutex;
  EventListener* events = nullptr;
};

Route& TheRoute() {
  // Never destroyed: gRPC's threads may outlive the statics.
  static auto& route = *new Route;
  return route;
}

// Its errors are mostly about a peer, so none of ours is worse than a warning.
Severity SeverityOf(gpr_log_severity severity) {
  switch (severity) {
    case GPR_LOG_SEVERITY_DEBUG:
      return Severity::kDebug;
    case GPR_LOG_SEVERITY_INFO:
      return Severity::kInfo;
    case GPR_LOG_SEVERITY_ERROR:
      break;
  }
  return Severity::kWarning;
}

void Pass(gpr_log_func_args* line) {
  Route& route = TheRoute();
  const std::scoped_lock lock(route.mutex);
  if (route.events == nullptr) return;
  const char* const slash = std::strrchr(line->file, '/');
  route.events->Log(
      {.severity = SeverityOf(line->severity),
       .module = "rpc",
       .message = "grpc says",
       .fields = {
           {"text", line->message},
           {"at", fmt::format("{}:{}", slash == nullptr ? line->file : slash + 1, line->line)}}});
}

}  // namespace

GrpcLog::GrpcLog(EventListener& events) {
  Route& route = TheRoute();
  const std::scoped_lock lock(route.mutex);
  SIGNALDB_ASSERT(route.events == nullptr);
  route.events = &events;
  gpr_set_log_function(&Pass);
}

GrpcLog::~GrpcLog() {
  Route& route = TheRoute();
  const std::scoped_lock lock(route.mutex);
  route.events = nullptr;
}

}  // namespace signaldb
