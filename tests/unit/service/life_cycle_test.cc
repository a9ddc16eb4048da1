#include "service/life_cycle.h"

#include <memory>
#include <optional>
#include <semaphore>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "adapters/http/listen_socket.h"
#include "adapters/local/posix_file_system.h"
#include "service/log_levels.h"
#include "testing/matchers.h"
#include "testing/temp_dir.h"

namespace signaldb::testing {
namespace {

// The composed service on a real folder, with ports that the kernel picks.
class LifeCycleTest : public ::testing::Test {
 protected:
  std::unique_ptr<Service> Make(std::vector<std::string> more = {}) {
    ConfigurationSources sources;
    sources.working_directory = folder.path();
    sources.settings = {"otlp.grpc_listen=127.0.0.1:0", "otlp.http_listen=127.0.0.1:0",
                        "flight.listen=127.0.0.1:0", "admin.listen=127.0.0.1:0",
                        "shutdown.deadline=5s"};
    sources.settings.insert(sources.settings.end(), more.begin(), more.end());
    auto loaded = LoadConfiguration(sources);
    EXPECT_THAT(loaded, IsOk());
    if (!loaded) return nullptr;
    return std::make_unique<Service>(*std::move(loaded),
                                     Service::Environment{files, clock, random, events});
  }

  static std::string WhyNotReady(Service& service) {
    std::string why;
    for (const ReadinessCheck& check : service.CheckReadiness()) {
      if (!check.passes) why += check.name + ": " + check.detail + "\n";
    }
    return why;
  }

  static Status FlushNow(Service& service, Nanos wait) {
    Status outcome;
    std::binary_semaphore answered(0);
    service.Flush(wait, [&](Status status) {
      outcome = std::move(status);
      answered.release();
    });
    answered.acquire();
    return outcome;
  }

  TempDir folder;
  std::ostringstream log_text;
  SystemClock clock;
  SystemRandom random;
  PosixFileSystem files;
  EventLog events{LogFormat::kText, *ParseLogLevels("info"), clock, log_text};
};

TEST_F(LifeCycleTest, IsReadyAfterStartAndNotAfterStop) {
  auto service = Make();
  EXPECT_THAT(WhyNotReady(*service), ::testing::HasSubstr("starting"));
  ASSERT_THAT(service->Start({}), IsOk());
  EXPECT_EQ(WhyNotReady(*service), "");
  EXPECT_THAT(FlushNow(*service, std::chrono::seconds(5)), IsOk());
  EXPECT_THAT(service->Stop(), IsOk());
  EXPECT_THAT(WhyNotReady(*service), ::testing::HasSubstr("shutting down"));
  EXPECT_THAT(FlushNow(*service, std::chrono::seconds(5)), IsError(ErrorKind::kUnavailable))
      << "refused at once, never forgotten";
  EXPECT_THAT(service->Stop(), IsOk()) << "idempotent";
}

TEST_F(LifeCycleTest, ComesUpAgainOnTheSameFolder) {
  for (int life = 0; life < 3; ++life) {
    auto service = Make();
    ASSERT_THAT(service->Start({}), IsOk());
    if (life == 1) continue;  // The destructor alone must be enough.
    EXPECT_THAT(service->Stop(), IsOk());
  }
}

TEST_F(LifeCycleTest, RefusesAFolderThatAnotherProcessHolds) {
  auto first = Make();
  ASSERT_THAT(first->Start({}), IsOk());
  auto second = Make();
  EXPECT_THAT(second->Start({}), IsError(ErrorKind::kConflict));
  second.reset();
  EXPECT_EQ(WhyNotReady(*first), "") << "the first one goes on";
}

TEST_F(LifeCycleTest, LeavesCleanlyWhereverTheStartFails) {
  auto taken = Listen("127.0.0.1:0", 1);
  ASSERT_THAT(taken, IsOk());
  const std::string busy = "127.0.0.1:" + std::to_string(taken->port);
  for (const char* key :
       {"admin.listen=", "otlp.http_listen=", "otlp.grpc_listen=", "flight.listen="}) {
    SCOPED_TRACE(key);
    auto service = Make({key + busy});
    EXPECT_THAT(service->Start({}), IsError(ErrorKind::kUnavailable));
    service.reset();
  }
  for (const std::string receiver : {"otlp", "flight"}) {
    SCOPED_TRACE(receiver);
    auto service =
        Make({receiver + ".tls_cert_file=/no/such/file", receiver + ".tls_key_file=/no/such/file"});
    EXPECT_FALSE(service->Start({}).has_value());
  }
  // Nothing of the failed ones holds the folder.
  EXPECT_THAT(Make()->Start({}), IsOk());
}

TEST_F(LifeCycleTest, StopsBeforeItIsReadyWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  auto service = Make();
  const Status started = service->Start(stop.get_token());
  // With an empty log there may be nothing left to be stopped.
  if (!started) {
    EXPECT_THAT(started, IsError(ErrorKind::kCancelled));
  }
}

TEST_F(LifeCycleTest, StopsWithoutEverHavingStarted) { EXPECT_THAT(Make()->Stop(), IsOk()); }

}  // namespace
}  // namespace signaldb::testing
