#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace signaldb::testing {

struct RawResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // Names in lower case.
  std::string body;
};

/// A TCP connection that sends what it is told to, byte for byte.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  RawClient(RawClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}
  RawClient& operator=(RawClient&&) = delete;
  ~RawClient() { Close(); }

  [[nodiscard]] bool connected() const { return connected_; }

  /// False once the other side has closed.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void HalfClose() { shutdown(fd_, SHUT_WR); }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

  /// The next final response, or nothing if the connection ends or is silent for `wait`.
  std::optional<RawResponse> Receive(std::chrono::milliseconds wait = std::chrono::seconds(20)) {
    std::size_t end = 0;
    while ((end = pending_.find("\r\n\r\n")) == std::string::npos) {
      if (!Fill(wait)) return std::nullopt;
    }
    RawResponse response = ParseHead(pending_.substr(0, end));
    pending_.erase(0, end + 4);
    if (response.status == 100) return Receive(wait);
    const auto length = response.headers.find("content-length");
    const std::size_t size = length == response.headers.end() ? 0 : std::stoul(length->second);
    while (pending_.size() < size) {
      if (!Fill(wait)) return std::nullopt;
    }
    response.body = pending_.substr(0, size);
    pending_.erase(0, size);
    return response;
  }

  /// True if the other side closes (or resets) within `wait`.
  bool WaitForClose(std::chrono::milliseconds wait) {
    const auto until = std::chrono::steady_clock::now() + wait;
    while (std::chrono::steady_clock::now() < until) {
      pollfd ready{fd_, POLLIN, 0};
      if (poll(&ready, 1, 100) <= 0) continue;
      std::array<char, 4096> bytes;
      if (recv(fd_, bytes.data(), bytes.size(), 0) <= 0) return true;
    }
    return false;
  }

 private:
  bool Fill(std::chrono::milliseconds wait) {
    pollfd ready{fd_, POLLIN, 0};
    if (poll(&ready, 1, static_cast<int>(wait.count())) <= 0) return false;
    std::array<char, 16384> bytes;
    const ssize_t got = recv(fd_, bytes.data(), bytes.size(), 0);
    if (got <= 0) return false;
    pending_.append(bytes.data(), static_cast<std::size_t>(got));
    return true;
  }

  static RawResponse ParseHead(const std::string& head) {
    RawResponse response;
    response.status = std::stoi(head.substr(9, 3));
    for (std::size_t at = head.find("\r\n"); at != std::string::npos;) {
      const std::size_t next = head.find("\r\n", at + 2);
      const std::string line = head.substr(at + 2, next - at - 2);
      std::string name = line.substr(0, line.find(':'));
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      response.headers[name] = line.substr(std::min(line.size(), line.find(':') + 2));
      at = next;
    }
    return response;
  }

  int fd_;
  bool connected_ = false;
  std::string pending_;
};

/// A POST with a Content-Length.
inline std::string Post(std::string_view path, std::string_view body,
                        std::string_view headers = "Content-Type: application/x-protobuf\r\n") {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace signaldb::testing
