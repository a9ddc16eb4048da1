#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "signaldb/result.h"

namespace signaldb {

/// A bound and listening TCP socket. Whoever takes it closes `fd`.
struct ListenSocket {
  int fd = -1;
  bool ipv6 = false;
  std::uint16_t port = 0;  ///< The real one.
  std::string address;     ///< `host:port` with the real port.
};

/// Listens on `a.b.c.d:port` or `[ipv6]:port`; port 0 takes a free one. Names are not resolved:
/// which interface is served must not depend on a name server. Errors: kInvalid (not such an
/// address), kUnavailable (cannot be bound).
[[nodiscard]] Result<ListenSocket> Listen(std::string_view address, int backlog);

}  // namespace signaldb
