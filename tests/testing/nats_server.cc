#include "testing/nats_server.h"

#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace signaldb::testing {
namespace {

constexpr auto kReadyWithin = std::chrono::seconds(30);

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

int FreePort() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  ::bind(socket, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return ntohs(address.sin_port);
}

bool Answers(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = Loopback(port);
  const bool answers =
      ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return answers;
}

}  // namespace

Result<std::unique_ptr<NatsServer>> NatsServer::Start(std::vector<std::string> arguments) {
  std::unique_ptr<NatsServer> server(new NatsServer());
  server->arguments_ = std::move(arguments);
  server->port_ = FreePort();
  SIGNALDB_TRY(server->Launch());
  return server;
}

NatsServer::~NatsServer() { Kill(); }

std::string NatsServer::Url() const { return fmt::format("nats://127.0.0.1:{}", port_); }

Status NatsServer::Launch() {
  std::vector<std::string> words = {
      SIGNALDB_NATS_SERVER,  "-a",  "127.0.0.1", "-p",
      std::to_string(port_), "-js", "-sd",       folder_.path() + "/store"};
  words.insert(words.end(), arguments_.begin(), arguments_.end());
  const std::string output = folder_.path() + "/server.log";
  std::vector<char*> raw;
  for (const std::string& word : words) raw.push_back(const_cast<char*>(word.c_str()));
  raw.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    const int file = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    ::dup2(file, 1);
    ::dup2(file, 2);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::execv(raw[0], raw.data());
    ::_exit(127);
  }
  const auto give_up = std::chrono::steady_clock::now() + kReadyWithin;
  while (std::chrono::steady_clock::now() < give_up) {
    if (Answers(port_)) return {};
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::ostringstream said;
  said << std::ifstream(output).rdbuf();
  return Fail(ErrorKind::kUnavailable, "the nats server does not start: " + said.str());
}

void NatsServer::Kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
}

void NatsServer::Pause() const { ::kill(pid_, SIGSTOP); }
void NatsServer::Continue() const { ::kill(pid_, SIGCONT); }

}  // namespace signaldb::testing
