#include "adapters/http/listen_socket.h"

#include <cerrno>
#include <charconv>
#include <system_error>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace signaldb {
namespace {

struct ParsedAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  std::string host;
};

Result<ParsedAddress> Parse(std::string_view address) {
  const auto invalid = [&] {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("cannot listen: expected IPv4:port or [IPv6]:port, address={}", address));
  };
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return invalid();
  const std::string_view digits = address.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size()) return invalid();

  ParsedAddress parsed;
  parsed.host = std::string(address.substr(0, colon));
  if (parsed.host.starts_with('[') && parsed.host.ends_with(']')) {
    auto& in6 = reinterpret_cast<sockaddr_in6&>(parsed.storage);
    const std::string inner = parsed.host.substr(1, parsed.host.size() - 2);
    if (inet_pton(AF_INET6, inner.c_str(), &in6.sin6_addr) != 1) return invalid();
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(port);
    parsed.size = sizeof(sockaddr_in6);
  } else {
    auto& in4 = reinterpret_cast<sockaddr_in&>(parsed.storage);
    if (inet_pton(AF_INET, parsed.host.c_str(), &in4.sin_addr) != 1) return invalid();
    in4.sin_family = AF_INET;
    in4.sin_port = htons(port);
    parsed.size = sizeof(sockaddr_in);
  }
  return parsed;
}

std::uint16_t PortOf(const sockaddr_storage& storage) {
  return ntohs(storage.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(storage).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

}  // namespace

Result<ListenSocket> Listen(std::string_view address, int backlog) {
  SIGNALDB_ASSIGN(ParsedAddress parsed, Parse(address));
  const int fd = socket(parsed.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const auto unavailable = [&](int error) {
    if (fd >= 0) close(fd);
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot listen: {}, address={}", std::generic_category().message(error),
                            address));
  };
  if (fd < 0) return unavailable(errno);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  auto* name = reinterpret_cast<sockaddr*>(&parsed.storage);
  if (bind(fd, name, parsed.size) != 0) return unavailable(errno);
  if (listen(fd, backlog) != 0) return unavailable(errno);
  if (getsockname(fd, name, &parsed.size) != 0) return unavailable(errno);
  const std::uint16_t port = PortOf(parsed.storage);
  return ListenSocket{.fd = fd,
                      .ipv6 = parsed.storage.ss_family == AF_INET6,
                      .port = port,
                      .address = fmt::format("{}:{}", parsed.host, port)};
}

}  // namespace signaldb
