#include "adapters/object_store/s3_endpoint.h"

#include <charconv>
#include <cstdint>
#include <system_error>

#include <fmt/format.h>

namespace signaldb {

namespace {

// Of an address in brackets, the colons are its own.
bool IsHostAndPort(std::string_view host) {
  if (host.find_first_of("/@?# ") != host.npos) return false;
  const std::size_t bracket = host.find(']');
  const std::size_t colon = host.find(':', bracket == host.npos ? 0 : bracket);
  if (host.empty() || colon == 0) return false;
  if (colon == host.npos) return true;
  const std::string_view port = host.substr(colon + 1);
  std::uint16_t number = 0;
  const auto [stopped, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  return error == std::errc() && stopped == port.data() + port.size() && number > 0;
}

}  // namespace

S3Endpoint PartsOfS3Endpoint(std::string_view endpoint) {
  const std::size_t end = endpoint.find("://");
  if (end == endpoint.npos) return {};
  S3Endpoint parts{.scheme = endpoint.substr(0, end), .host = endpoint.substr(end + 3)};
  while (parts.host.ends_with('/')) parts.host.remove_suffix(1);
  return parts;
}

Status CheckS3Endpoint(std::string_view endpoint) {
  const S3Endpoint parts = PartsOfS3Endpoint(endpoint);
  const bool known_scheme = parts.scheme == "http" || parts.scheme == "https";
  if (endpoint.empty() || (known_scheme && IsHostAndPort(parts.host))) return {};
  return Fail(ErrorKind::kInvalid,
              fmt::format("expected an endpoint like \"https://host:9000\" endpoint={}", endpoint));
}

}  // namespace signaldb
