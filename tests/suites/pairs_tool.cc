// pairs_tool CATALOG_URI STORAGE_DSN FIRST COUNT THREADS: every thread commits COUNT transactions
// over the two tables acme.prod.orders and acme.prod.lines, of numbers from FIRST on; insists until
// each is committed, and prints its number then. Order n has the lines 3n, 3n + 1 and 3n + 2.

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/retry.h"
#include "signaldb/catalog_transaction.h"
#include "suites/writer_world.h"

namespace signaldb {
namespace {

using std::chrono::milliseconds;
using Writer = std::unique_ptr<IcebergTableWriter>;

Configuration Insisting(Configuration config, const std::string& uri) {
  config.schema.catalog_uri = uri;
  config.retry = {
      .max_attempts = 100'000, .initial_delay = milliseconds(5), .max_delay = milliseconds(400)};
  // As many as wait for each other's commits.
  config.catalog_pool = {
      .min_connections = 0, .max_connections = 6, .connection_timeout_ms = 30'000};
  return config;
}

Result<Writer> Open(const Configuration& config, const std::shared_ptr<ObjectStore>& store,
                    const std::string& table) {
  TableOptions options;
  options.schema = testing::EventSchema();
  // The test counts the snapshots, which are as many as transactions.
  options.properties = {{"signaldb.expire-on-commit.enabled", "false"}};
  while (true) {
    Result<Writer> writer =
        CreateIcebergWriterForTable(config, store, "acme", "prod", table, options);
    if (writer.has_value() || !IsRetryable(writer.error().kind)) return writer;
    std::this_thread::sleep_for(milliseconds(50));
  }
}

Status TryPair(IcebergTableWriter& orders, IcebergTableWriter& lines, std::int64_t number) {
  SIGNALDB_ASSIGN(const auto transaction, CatalogTransaction::Begin({orders, lines}));
  SIGNALDB_TRY(transaction->WriteBatch(orders, testing::EventBatch(number, 1)));
  SIGNALDB_TRY(transaction->WriteBatch(lines, testing::EventBatch(3 * number, 3)));
  Status done = transaction->Commit();
  while (!done.has_value() && done.error().kind == ErrorKind::kUnknownOutcome) {
    done = transaction->Commit();
  }
  return done;
}

Status CommitPairs(const Configuration& config, const std::shared_ptr<ObjectStore>& store,
                   std::int64_t first, std::int64_t count) {
  SIGNALDB_ASSIGN(const Writer orders, Open(config, store, "orders"));
  SIGNALDB_ASSIGN(const Writer lines, Open(config, store, "lines"));
  for (std::int64_t number = first; number < first + count; ++number) {
    Status done = TryPair(*orders, *lines, number);
    // Definitely rolled back, so the same again doubles nothing.
    while (!done.has_value() && IsRetryable(done.error().kind)) {
      std::fprintf(stderr, "again %lld: %s\n", static_cast<long long>(number),
                   done.error().message.c_str());
      done = TryPair(*orders, *lines, number);
    }
    SIGNALDB_TRY(done);
    std::printf("%lld\n", static_cast<long long>(number));
    std::fflush(stdout);
  }
  return {};
}

int Run(char** argv) {
  Result<Configuration> from_environment = Configuration::FromEnvironment();
  if (!from_environment.has_value()) return 2;
  const Configuration config = Insisting(*std::move(from_environment), argv[1]);
  StorageConfig storage = config.storage;
  storage.dsn = argv[2];
  const auto store = ObjectStore::Open(storage);
  if (!store.has_value()) return 2;
  const std::int64_t first = std::stoll(argv[3]);
  const std::int64_t count = std::stoll(argv[4]);
  std::atomic<int> failed = 0;
  {
    std::vector<std::jthread> threads;
    for (std::int64_t t = 0; t < std::stoll(argv[5]); ++t) {
      threads.emplace_back([&, t] {
        const Status done = CommitPairs(config, *store, first + t * count, count);
        if (done.has_value()) return;
        ++failed;
        std::fprintf(stderr, "failed: %s\n", done.error().message.c_str());
      });
    }
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace signaldb

int main(int argc, char** argv) {
  const int code = argc == 6 ? signaldb::Run(argv) : 2;
  signaldb::ObjectStore::EndProcess();
  return code;
}
