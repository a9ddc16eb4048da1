#include "adapters/nats/cnats_link.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <nats/nats.h>

namespace signaldb {
namespace {

constexpr std::int64_t kPingIntervalMs = 10'000;
constexpr int kPingsOutMax = 2;
constexpr std::int64_t kDrainMs = 500;
constexpr std::int64_t kWriteMs = 5'000;

std::int64_t Millis(Nanos wait) {
  return std::max<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(wait).count(), 0);
}

std::string LastError() {
  natsStatus ignored = NATS_OK;
  const char* text = nats_GetLastError(&ignored);
  return text == nullptr ? std::string() : std::string(text);
}

Status Check(natsStatus status, std::string_view doing) {
  if (status == NATS_OK) return {};
  const std::string detail = LastError();
  return std::unexpected(
      ErrorFromNats(status, doing, detail.empty() ? natsStatus_GetText(status) : detail));
}

struct Destroy {
  void operator()(natsOptions* options) const { natsOptions_Destroy(options); }
  void operator()(natsConnection* connection) const { natsConnection_Destroy(connection); }
  void operator()(natsSubscription* subscription) const { natsSubscription_Destroy(subscription); }
  void operator()(natsMsg* message) const { natsMsg_Destroy(message); }
  void operator()(natsInbox* inbox) const { natsInbox_Destroy(inbox); }
};
template <typename Handle>
using Owned = std::unique_ptr<Handle, Destroy>;

/// cnats writes to standard error unless somebody else listens. What it has to say here comes back
/// from the calls as well.
void IgnoreError(natsConnection*, natsSubscription*, natsStatus, void*) {}

std::vector<std::pair<std::string, std::string>> HeadersOf(natsMsg* message) {
  std::vector<std::pair<std::string, std::string>> headers;
  const char** names = nullptr;
  int count = 0;
  if (natsMsgHeader_Keys(message, &names, &count) != NATS_OK) return headers;
  for (int i = 0; i < count; ++i) {
    const char** values = nullptr;
    int values_count = 0;
    if (natsMsgHeader_Values(message, names[i], &values, &values_count) != NATS_OK) continue;
    for (int j = 0; j < values_count; ++j) headers.emplace_back(names[i], values[j]);
    std::free(static_cast<void*>(values));
  }
  std::free(static_cast<void*>(names));
  return headers;
}

NatsMessage Read(Owned<natsMsg> message) {
  const auto text = [](const char* c) { return c == nullptr ? std::string() : std::string(c); };
  NatsMessage read{.subject = text(natsMsg_GetSubject(message.get())),
                   .reply = text(natsMsg_GetReply(message.get())),
                   .headers = HeadersOf(message.get()),
                   .body = {reinterpret_cast<const std::byte*>(natsMsg_GetData(message.get())),
                            static_cast<std::size_t>(natsMsg_GetDataLength(message.get()))}};
  read.owner = std::shared_ptr<natsMsg>(std::move(message));
  return read;
}

class CnatsInbox final : public NatsInbox {
 public:
  CnatsInbox(std::string subject, Owned<natsSubscription> subscription)
      : subject_(std::move(subject)), subscription_(std::move(subscription)) {}

  [[nodiscard]] const std::string& subject() const override { return subject_; }

  [[nodiscard]] Result<std::optional<NatsMessage>> Next(Nanos wait) override {
    natsMsg* message = nullptr;
    const natsStatus status = natsSubscription_NextMsg(&message, subscription_.get(), Millis(wait));
    if (status == NATS_TIMEOUT) return std::nullopt;
    if (is_draining_ && status != NATS_OK) {
      return Fail(ErrorKind::kCancelled, "the inbox is drained");
    }
    SIGNALDB_TRY(Check(status, "read from nats"));
    return Read(Owned<natsMsg>(message));
  }

  [[nodiscard]] Status Drain() override {
    is_draining_ = true;
    return Check(natsSubscription_DrainTimeout(subscription_.get(), kDrainMs), "drain an inbox");
  }

 private:
  const std::string subject_;
  const Owned<natsSubscription> subscription_;
  bool is_draining_ = false;
};

class CnatsLink final : public NatsLink {
 public:
  explicit CnatsLink(Owned<natsConnection> connection) : connection_(std::move(connection)) {}

  [[nodiscard]] Result<std::string> Request(const std::string& subject, std::string_view body,
                                            Nanos timeout) override {
    natsMsg* answer = nullptr;
    SIGNALDB_TRY(
        Check(natsConnection_Request(&answer, connection_.get(), subject.c_str(), body.data(),
                                     static_cast<int>(body.size()), Millis(timeout)),
              "ask " + subject));
    const Owned<natsMsg> owned(answer);
    return std::string(natsMsg_GetData(answer),
                       static_cast<std::size_t>(natsMsg_GetDataLength(answer)));
  }

  [[nodiscard]] Status Publish(const std::string& subject, std::string_view body,
                               const std::string& reply) override {
    const auto bytes = static_cast<int>(body.size());
    const natsStatus status =
        reply.empty()
            ? natsConnection_Publish(connection_.get(), subject.c_str(), body.data(), bytes)
            : natsConnection_PublishRequest(connection_.get(), subject.c_str(), reply.c_str(),
                                            body.data(), bytes);
    return Check(status, "send to nats");
  }

  [[nodiscard]] Status Flush(Nanos timeout) override {
    return Check(
        natsConnection_FlushTimeout(connection_.get(), std::max<std::int64_t>(Millis(timeout), 1)),
        "flush to nats");
  }

  [[nodiscard]] Result<std::unique_ptr<NatsInbox>> OpenInbox() override {
    natsInbox* name = nullptr;
    SIGNALDB_TRY(Check(natsInbox_Create(&name), "name an inbox"));
    const Owned<natsInbox> owned(name);
    natsSubscription* subscription = nullptr;
    SIGNALDB_TRY(Check(natsConnection_SubscribeSync(&subscription, connection_.get(), name),
                       "open an inbox"));
    Owned<natsSubscription> inbox(subscription);
    // By default it throws away what exceeds its limits, and JetStream would wait for ack_wait.
    SIGNALDB_TRY(Check(natsSubscription_SetPendingLimits(subscription, -1, -1), "open an inbox"));
    return std::make_unique<CnatsInbox>(name, std::move(inbox));
  }

 private:
  const Owned<natsConnection> connection_;
};

std::string HostOf(std::string_view server) {
  const std::string shown = ShownServer(server);
  std::string_view host(shown);
  if (const std::size_t at = host.find("://"); at != std::string_view::npos) {
    host.remove_prefix(at + 3);
  }
  if (host.starts_with('[')) return std::string(host.substr(1, host.find(']') - 1));
  return std::string(host.substr(0, host.find_first_of(":/")));
}

bool UsesTls(const std::string& server, const NatsAccess& access) {
  return access.tls || server.starts_with("tls://");
}

/// With TLS 1.3 a server refuses a certificate only after the handshake, by hanging up.
std::string_view AdviceOn(natsStatus status, const std::string& server, const NatsAccess& access) {
  const bool hung_up =
      status == NATS_PROTOCOL_ERROR || status == NATS_IO_ERROR || status == NATS_CONNECTION_CLOSED;
  if (!hung_up || !UsesTls(server, access)) return {};
  return access.cert_file.empty()
             ? "; if it hung up because it asks for a certificate of ours, set tls_cert_file"
             : "; if it hung up because it refuses our certificate, see tls_cert_file";
}

Status SetAccess(natsOptions* options, const std::string& server, const NatsAccess& access) {
  if (!access.credentials_file.empty()) {
    SIGNALDB_TRY(Check(
        natsOptions_SetUserCredentialsFromFiles(options, access.credentials_file.c_str(), nullptr),
        "use the credentials file"));
  }
  if (!access.token.empty()) {
    SIGNALDB_TRY(Check(natsOptions_SetToken(options, access.token.c_str()), "use the token"));
  }
  if (!access.user.empty()) {
    SIGNALDB_TRY(
        Check(natsOptions_SetUserInfo(options, access.user.c_str(), access.password.c_str()),
              "use the user"));
  }
  if (!UsesTls(server, access)) return {};
  SIGNALDB_TRY(Check(natsOptions_SetSecure(options, true), "use tls"));
  SIGNALDB_TRY(Check(natsOptions_SetExpectedHostname(options, HostOf(server).c_str()), "use tls"));
  if (!access.ca_file.empty()) {
    SIGNALDB_TRY(Check(natsOptions_LoadCATrustedCertificates(options, access.ca_file.c_str()),
                       "use the ca file"));
  }
  if (!access.cert_file.empty()) {
    SIGNALDB_TRY(Check(natsOptions_LoadCertificatesChain(options, access.cert_file.c_str(),
                                                         access.key_file.c_str()),
                       "use the client certificate"));
  }
  return {};
}

}  // namespace

Error ErrorFromNats(int status, std::string_view doing, std::string_view detail) {
  ErrorKind kind = ErrorKind::kUnavailable;
  switch (static_cast<natsStatus>(status)) {
    case NATS_INVALID_ARG:
    case NATS_INVALID_SUBJECT:
    case NATS_ADDRESS_MISSING:
    case NATS_NOT_PERMITTED:
      kind = ErrorKind::kInvalid;
      break;
    default:
      break;
  }
  return {kind, fmt::format("could not {}: {} code={}", doing, detail, status)};
}

Result<std::unique_ptr<NatsLink>> ConnectToNats(const std::string& server, const NatsAccess& access,
                                                Nanos timeout) {
  natsOptions* made = nullptr;
  SIGNALDB_TRY(Check(natsOptions_Create(&made), "prepare nats"));
  const Owned<natsOptions> options(made);
  const natsStatus statuses[] = {
      natsOptions_SetURL(made, server.c_str()),
      natsOptions_SetName(made, "signaldb-writer"),
      natsOptions_SetTimeout(made, std::max<std::int64_t>(Millis(timeout), 1)),
      natsOptions_SetAllowReconnect(made, false),
      natsOptions_SetPingInterval(made, kPingIntervalMs),
      natsOptions_SetMaxPingsOut(made, kPingsOutMax),
      natsOptions_SetWriteDeadline(made, kWriteMs),
      natsOptions_SetErrorHandler(made, IgnoreError, nullptr),
  };
  for (const natsStatus status : statuses) SIGNALDB_TRY(Check(status, "prepare nats"));
  SIGNALDB_TRY(SetAccess(made, server, access));
  natsConnection* connection = nullptr;
  const natsStatus status = natsConnection_Connect(&connection, made);
  Status connected = Check(status, "connect to " + ShownServer(server));
  if (!connected.has_value()) {
    connected.error().message += AdviceOn(status, server, access);
    return std::unexpected(std::move(connected).error());
  }
  return std::make_unique<CnatsLink>(Owned<natsConnection>(connection));
}

}  // namespace signaldb
