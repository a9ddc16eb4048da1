#include "service/source_block_checks.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <span>

namespace signaldb {
namespace {

bool IsAlphanumeric(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool IsPort(std::string_view text) {
  constexpr int kPortMax = 65535;
  int port = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
  return failed == std::errc() && end == text.data() + text.size() && port >= 1 && port <= kPortMax;
}

/// "kafka-1", "kafka-1:9092", "[::1]:9092".
bool IsHostWithPort(std::string_view text) {
  const bool is_ipv6 = text.starts_with('[');
  const std::size_t end = is_ipv6 ? text.find(']') : text.find(':');
  if (is_ipv6 && end == std::string_view::npos) return false;
  const std::string_view host = is_ipv6 ? text.substr(1, end - 1) : text.substr(0, end);
  const std::string_view marks = is_ipv6 ? ":." : ".-_";
  const bool is_host = !host.empty() && std::ranges::all_of(host, [&](char c) {
    return IsAlphanumeric(c) || marks.contains(c);
  });
  const std::string_view rest = text.substr(std::min(text.size(), is_ipv6 ? end + 1 : end));
  if (!is_host || rest.empty()) return is_host;
  if (!rest.starts_with(':')) return false;
  return IsPort(rest.substr(1));
}

bool IsNatsUrl(std::string_view url) {
  for (const std::string_view scheme : {"nats://", "tls://"}) {
    if (!url.starts_with(scheme)) continue;
    url.remove_prefix(scheme.size());
    break;
  }
  if (const std::size_t at = url.rfind('@'); at != std::string_view::npos) {
    if (at == 0) return false;
    url.remove_prefix(at + 1);
  }
  return IsHostWithPort(url);
}

bool All(std::string_view list, bool (*is_right)(std::string_view)) {
  const std::vector<std::string> servers = SplitServers(list);
  return std::ranges::all_of(servers, [&](const std::string& server) { return is_right(server); });
}

struct Rule {
  bool broken = false;
  BlockMistake mistake;
};

std::optional<BlockMistake> FirstBroken(std::span<const Rule> rules) {
  const auto found = std::ranges::find_if(rules, &Rule::broken);
  if (found == rules.end()) return std::nullopt;
  return found->mistake;
}

}  // namespace

std::vector<std::string> SplitServers(std::string_view list) {
  std::vector<std::string> servers;
  while (true) {
    const std::size_t comma = list.find(',');
    std::string_view server = list.substr(0, comma);
    server.remove_prefix(std::min(server.find_first_not_of(' '), server.size()));
    servers.emplace_back(server);
    if (comma == std::string_view::npos) return servers;
    list.remove_prefix(comma + 1);
  }
}

Status CheckKafkaBrokers(std::string_view text) {
  if (All(text, IsHostWithPort)) return {};
  return Fail(ErrorKind::kInvalid,
              "expected host:port, separated by commas, with ports of 1 to 65535; how to speak and "
              "who we are stand in security_protocol and sasl_username");
}

Status CheckNatsServers(std::string_view text) {
  if (All(text, IsNatsUrl)) return {};
  return Fail(
      ErrorKind::kInvalid,
      "expected nats://host:port or tls://host:port, separated by commas, with ports of 1 to "
      "65535");
}

std::optional<BlockMistake> FindMistake(const KafkaBlock& block) {
  const bool has_tls = block.security_protocol.ends_with("ssl");
  const bool has_sasl = block.security_protocol.starts_with("sasl");
  const bool names_files = !block.ssl_ca_file.empty() || !block.ssl_cert_file.empty();
  const bool names_user = !block.sasl_username.empty() || !block.sasl_password.empty();
  const Rule rules[] = {
      {block.session_timeout > block.max_poll_interval,
       {"session_timeout", "expected no more than max_poll_interval"}},
      {has_sasl && block.sasl_username.empty(),
       {"sasl_username",
        "expected sasl_username with security_protocol sasl_plaintext or sasl_ssl"}},
      {has_sasl && block.sasl_password.empty(),
       {"sasl_password",
        "expected sasl_password with security_protocol sasl_plaintext or sasl_ssl"}},
      {names_user && !has_sasl,
       {"security_protocol", "expected sasl_plaintext or sasl_ssl with sasl_username"}},
      {names_files && !has_tls,
       {"security_protocol", "expected ssl or sasl_ssl with ssl_ca_file or ssl_cert_file"}},
      {!block.ssl_cert_file.empty() && block.ssl_key_file.empty(),
       {"ssl_key_file", "expected ssl_key_file with ssl_cert_file"}},
      {block.ssl_cert_file.empty() && !block.ssl_key_file.empty(),
       {"ssl_cert_file", "expected ssl_cert_file with ssl_key_file"}},
  };
  return FirstBroken(rules);
}

std::optional<BlockMistake> FindMistake(const NatsBlock& block) {
  const bool has_user = !block.user.empty();
  const bool has_token = !block.token.empty();
  const bool has_credentials = !block.credentials_file.empty();
  const Rule rules[] = {
      {static_cast<int>(has_user) + static_cast<int>(has_token) +
               static_cast<int>(has_credentials) >
           1,
       {has_credentials ? "credentials_file" : "token",
        "expected only one of credentials_file, token and user"}},
      {!has_user && !block.password.empty(), {"user", "expected user with password"}},
      {!block.tls_cert_file.empty() && block.tls_key_file.empty(),
       {"tls_key_file", "expected tls_key_file with tls_cert_file"}},
      {block.tls_cert_file.empty() && !block.tls_key_file.empty(),
       {"tls_cert_file", "expected tls_cert_file with tls_key_file"}},
  };
  return FirstBroken(rules);
}

}  // namespace signaldb
