#include "testing/postgres_server.h"

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace signaldb::testing {

namespace {

constexpr auto kReadyWithin = std::chrono::seconds(60);

std::string ProgramPath(const std::string& name) {
  for (const char* const folder : {"/usr/lib/postgresql/15/bin/", "/usr/lib/postgresql/16/bin/",
                                   "/usr/lib/postgresql/17/bin/", "/usr/bin/"}) {
    const std::string path = folder + name;
    if (std::filesystem::exists(path)) return path;
  }
  return {};
}

int FreePort() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(socket, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return ntohs(address.sin_port);
}

/// Starts a program as user postgres if we are root, its output in a file.
pid_t Spawn(const std::vector<std::string>& arguments, const std::string& output,
            const std::string& folder) {
  const passwd* const postgres = ::getuid() == 0 ? ::getpwnam("postgres") : nullptr;
  std::vector<char*> raw;
  for (const std::string& argument : arguments) raw.push_back(const_cast<char*>(argument.c_str()));
  raw.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  const int file = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  ::dup2(file, 1);
  ::dup2(file, 2);
  if (postgres != nullptr && (::initgroups("postgres", postgres->pw_gid) != 0 ||
                              ::setgid(postgres->pw_gid) != 0 || ::setuid(postgres->pw_uid) != 0)) {
    ::_exit(126);
  }
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (::chdir(folder.c_str()) != 0) ::_exit(126);
  ::execv(raw[0], raw.data());
  ::_exit(127);
}

std::string TextOf(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

const Result<std::unique_ptr<PostgresServer>>& PostgresServer::OfThisProcess() {
  static const Result<std::unique_ptr<PostgresServer>> server = Start();
  return server;
}

Result<std::unique_ptr<PostgresServer>> PostgresServer::Start() {
  const std::string initdb = ProgramPath("initdb");
  if (initdb.empty()) return Fail(ErrorKind::kUnavailable, "postgresql-15 is not installed");
  std::unique_ptr<PostgresServer> server(new PostgresServer());
  const std::string folder = server->folder_.path();
  if (::getuid() == 0) {
    const passwd* const postgres = ::getpwnam("postgres");
    if (postgres == nullptr || ::chown(folder.c_str(), postgres->pw_uid, postgres->pw_gid) != 0) {
      return Fail(ErrorKind::kUnavailable, "there is no user postgres to run the server as");
    }
  }
  const pid_t initdb_pid = Spawn({initdb, "-D", folder + "/db", "-U", "postgres", "-A", "trust",
                                  "--no-sync", "--no-locale", "-E", "UTF8"},
                                 folder + "/initdb.log", folder);
  int status = 0;
  ::waitpid(initdb_pid, &status, 0);
  if (status != 0) {
    return Fail(ErrorKind::kUnavailable, "initdb failed: " + TextOf(folder + "/initdb.log"));
  }
  server->port_ = FreePort();
  SIGNALDB_TRY(server->Launch());
  return server;
}

Status PostgresServer::Launch() {
  const std::string folder = folder_.path();
  const auto give_up = std::chrono::steady_clock::now() + kReadyWithin;
  // After a crash the children of the old server may still hold its shared memory: tried again.
  while (std::chrono::steady_clock::now() < give_up) {
    pid_ = Spawn(
        {ProgramPath("postgres"), "-D", folder + "/db", "-p", std::to_string(port_), "-k", folder,
         "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=60"},
        folder + "/postgres.log", folder);
    while (std::chrono::steady_clock::now() < give_up) {
      if (PQping(Uri().c_str()) == PQPING_OK) return {};
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return Fail(ErrorKind::kUnavailable,
              "postgres does not start: " + TextOf(folder + "/postgres.log"));
}

void PostgresServer::Crash() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGQUIT);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
}

PostgresServer::~PostgresServer() { Crash(); }

Status PostgresServer::CrashAndRestart() {
  Crash();
  return Launch();
}

std::string PostgresServer::Uri(const std::string& database) const {
  return fmt::format("postgres://postgres@127.0.0.1:{}/{}", port_, database);
}

std::string PostgresServer::NewDatabase() {
  const std::string name = fmt::format("test_{}", ++databases_);
  std::ignore = Ask("CREATE DATABASE " + name);
  return name;
}

std::string PostgresServer::Ask(const std::string& sql, const std::string& database) const {
  PGconn* const connection = PQconnectdb(Uri(database).c_str());
  PGresult* const result = PQexec(connection, sql.c_str());
  std::string cell;
  if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0) {
    cell = PQgetvalue(result, 0, 0);
  } else if (PQresultStatus(result) == PGRES_FATAL_ERROR) {
    cell = PQerrorMessage(connection);
  }
  PQclear(result);
  PQfinish(connection);
  return cell;
}

}  // namespace signaldb::testing
