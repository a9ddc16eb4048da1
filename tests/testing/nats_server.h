#pragma once

#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "signaldb/result.h"
#include "testing/temp_dir.h"

namespace signaldb::testing {

/// A NATS server of one's own with JetStream, on a free port of the loopback device, its store in a
/// folder that goes with it.
///
/// Threads: confined to the test's main thread, whose end also ends the server.
class NatsServer {
 public:
  /// `arguments` go to the server. Errors: kUnavailable, with the reason, if it does not start.
  [[nodiscard]] static Result<std::unique_ptr<NatsServer>> Start(
      std::vector<std::string> arguments = {});
  ~NatsServer();

  [[nodiscard]] std::string Url() const;
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] const std::string& folder() const { return folder_.path(); }
  /// As kill -9 does; Launch brings it back.
  void Kill();
  /// Stops all its threads, or lets them go on.
  void Pause() const;
  void Continue() const;
  [[nodiscard]] Status Launch();

 private:
  NatsServer() = default;

  TempDir folder_;
  std::vector<std::string> arguments_;
  int port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace signaldb::testing
