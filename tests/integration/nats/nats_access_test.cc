#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/nats/cnats_link.h"
#include "testing/matchers.h"
#include "testing/nats_server.h"
#include "testing/temp_dir.h"

namespace signaldb::testing {
namespace {

constexpr Nanos kTimeout = std::chrono::seconds(5);

/// A certificate for `names` and its key, in `folder`.
struct Certificate {
  std::string cert;
  std::string key;
};
Certificate MakeCertificate(const TempDir& folder, const std::string& file,
                            const std::string& names) {
  Certificate made{folder / (file + ".pem"), folder / (file + ".key")};
  const std::string command = fmt::format(
      "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext "
      "subjectAltName={} -out {} -keyout {} 2>/dev/null",
      names, made.cert, made.key);
  EXPECT_EQ(std::system(command.c_str()), 0);
  return made;
}

std::unique_ptr<NatsServer> ServerWith(std::vector<std::string> arguments) {
  auto started = NatsServer::Start(std::move(arguments));
  EXPECT_THAT(started, IsOk());
  return std::move(started).value_or(nullptr);
}

TEST(ConnectToNats, ChecksTheServersCertificate) {
  const TempDir folder;
  const Certificate ours = MakeCertificate(folder, "ours", "DNS:localhost,IP:127.0.0.1");
  const auto server = ServerWith({"--tls", "--tlscert", ours.cert, "--tlskey", ours.key});
  const std::string url = fmt::format("tls://127.0.0.1:{}", server->port());
  EXPECT_THAT(ConnectToNats(url, {.ca_file = ours.cert}, kTimeout), IsOk());
  EXPECT_THAT(ConnectToNats(server->Url(), {.tls = true, .ca_file = ours.cert}, kTimeout), IsOk());
  EXPECT_THAT(ConnectToNats(url, {}, kTimeout), IsError(ErrorKind::kUnavailable))
      << "the system does not know who signed it";
}

TEST(ConnectToNats, TakesNoCertificateForAnotherHost) {
  const TempDir folder;
  const Certificate other = MakeCertificate(folder, "other", "DNS:elsewhere.example");
  const auto server = ServerWith({"--tls", "--tlscert", other.cert, "--tlskey", other.key});
  EXPECT_THAT(ConnectToNats(fmt::format("tls://127.0.0.1:{}", server->port()),
                            {.ca_file = other.cert}, kTimeout),
              IsError(ErrorKind::kUnavailable));
}

TEST(ConnectToNats, ShowsItsOwnCertificate) {
  const TempDir folder;
  const Certificate server_cert = MakeCertificate(folder, "server", "IP:127.0.0.1");
  const Certificate ours = MakeCertificate(folder, "ours", "DNS:writer");
  const auto server = ServerWith({"--tls", "--tlscert", server_cert.cert, "--tlskey",
                                  server_cert.key, "--tlsverify", "--tlscacert", ours.cert});
  const std::string url = fmt::format("tls://127.0.0.1:{}", server->port());
  EXPECT_THAT(ConnectToNats(
                  url, {.ca_file = server_cert.cert, .cert_file = ours.cert, .key_file = ours.key},
                  kTimeout),
              IsOk());
  EXPECT_THAT(ConnectToNats(url, {.ca_file = server_cert.cert}, kTimeout),
              IsErrorSaying(ErrorKind::kUnavailable, "set tls_cert_file"));
}

TEST(ConnectToNats, NamesItsUserAndKeepsThePasswordToItself) {
  const auto server = ServerWith({"--user", "writer", "--pass", "hunter2"});
  EXPECT_THAT(ConnectToNats(server->Url(), {.user = "writer", .password = "hunter2"}, kTimeout),
              IsOk());
  EXPECT_THAT(ConnectToNats(fmt::format("nats://writer:hunter2@127.0.0.1:{}", server->port()), {},
                            kTimeout),
              IsOk());
  const auto refused = ConnectToNats(
      fmt::format("nats://writer:hunter3@127.0.0.1:{}", server->port()), {}, kTimeout);
  ASSERT_THAT(refused, IsErrorSaying(ErrorKind::kUnavailable, "Authorization"));
  EXPECT_THAT(refused.error().message, ::testing::Not(::testing::HasSubstr("hunter")));
}

TEST(ConnectToNats, ShowsItsToken) {
  const auto server = ServerWith({"--auth", "open-sesame"});
  EXPECT_THAT(ConnectToNats(server->Url(), {.token = "open-sesame"}, kTimeout), IsOk());
  EXPECT_THAT(ConnectToNats(server->Url(), {}, kTimeout), IsError(ErrorKind::kUnavailable));
}

TEST(ConnectToNats, SaysWhichFileCannotBeUsed) {
  EXPECT_THAT(ConnectToNats("tls://127.0.0.1:1", {.ca_file = "/missing.pem"}, kTimeout),
              IsErrorSaying(ErrorKind::kUnavailable, "ca file"));
  EXPECT_THAT(ConnectToNats("nats://127.0.0.1:1", {}, kTimeout),
              IsErrorSaying(ErrorKind::kUnavailable, "nats://127.0.0.1:1"));
}

TEST(ErrorFromNats, SaysWhatToDo) {
  EXPECT_EQ(ErrorFromNats(0x7FFFFFF, "x", "y").kind, ErrorKind::kUnavailable);
  EXPECT_EQ(ErrorFromNats(26, "send", "Timeout"),
            (Error{ErrorKind::kUnavailable, "could not send: Timeout code=26"}));
}

}  // namespace
}  // namespace signaldb::testing
