// What does a commit of 100 rows cost as the 10th, the 1,000th and the 10,000th of a table, on a
// real disk and a SQLite catalog?
//
//   commit_history FOLDER [--commits N] [--rows N] [--interval-ms N] [--set KEY=VALUE]...
//
// Commits one after the other, while the tables are told that so many milliseconds lie between
// them; for 50 commits in a row from the 10th, 100th, ... on prints the median of what writing the
// data file takes, and of the commit. Every commit is a real, durable one.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <arrow/api.h>
#include <fmt/format.h>

#include "adapters/local/local_file_io.h"
#include "adapters/local/posix_file_system.h"
#include "adapters/sqlite/sqlite_catalog.h"
#include "base/clock.h"
#include "base/event_listener.h"
#include "base/random.h"
#include "iceberg/commit/metadata_cache.h"
#include "iceberg/commit/table_commit.h"
#include "telemetry/decode.h"
#include "testing/otlp_samples.h"
#include "writer/table_files.h"
#include "writer/telemetry_tables.h"

namespace signaldb {
namespace {

constexpr std::size_t kWindow = 50;

[[noreturn]] void Die(std::string_view what) {
  fmt::print(stderr, "{}\n", what);
  std::abort();
}

template <typename T>
T Check(Result<T> result) {
  if (!result.has_value()) Die(result.error().message);
  return std::move(*result);
}

std::shared_ptr<arrow::RecordBatch> LogRows(int rows) {
  testing::OtlpSampleOptions sample;
  sample.records = rows;
  DecodeOptions options;
  options.received_at = Nanos(static_cast<std::int64_t>(sample.first_time_unix_nano));
  const std::string request = testing::MakeOtlpRequest(Signal::kLogs, sample);
  const auto decoded = Check(
      DecodeMessage(Signal::kLogs, MessageEncoding::kProtobuf, testing::AsBytes(request), options));
  return decoded.tables.at(0).rows;
}

/// What the files are told of the time: an interval between commits that take less.
class PacedClock final : public Clock {
 public:
  explicit PacedClock(Nanos interval) : interval_(interval), wall_(real_.WallNow()) {}
  void NextCommit() { wall_ += interval_; }

  [[nodiscard]] Nanos WallNow() const override { return wall_; }
  [[nodiscard]] Nanos MonotonicNow() const override { return real_.MonotonicNow(); }
  bool SleepFor(Nanos wait, std::stop_token stop) override {
    return real_.SleepFor(wait, std::move(stop));
  }

 private:
  SystemClock real_;
  const Nanos interval_;
  Nanos wall_;
};

struct Sample {
  double write_ms = 0;
  double commit_ms = 0;
  double cpu_ms = 0;  // Of all threads, for the commit.
};

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

class History {
 public:
  History(const std::string& folder, const Properties& properties, int rows, Nanos interval)
      : clock_(interval),
        catalog_(Check(SqliteCatalog::Open(fmt::format("sqlite://{}/catalog.db", folder), {}))),
        rows_(LogRows(rows)) {
    const DatasetId dataset{.tenant = "bench", .dataset = "history"};
    table_ = TableInDataset(dataset, "logs");
    const NewTable definition = Check(MakeTelemetryTable(
        dataset, TableKind::kLogs,
        {.warehouse = fmt::format("file://{}/warehouse", folder), .properties = properties}, "",
        0));
    Check(committer_.LoadOrCreate(table_, definition));
  }

  Sample CommitOnce() {
    clock_.NextCommit();
    const Nanos begun = clock_.MonotonicNow();
    const LoadedTable loaded = Check(committer_.LoadForReading(table_));
    TableChange change{.table = table_};
    change.added_files = Check(WriteDataFiles({io_, clock_, random_, events_, nullptr, {}},
                                              *loaded.metadata, {rows_}, FileOptions()));
    change.schema_id = loaded.metadata->current_schema_id;
    const Nanos written = clock_.MonotonicNow();
    const std::clock_t cpu_before = std::clock();
    const CommitReport report =
        Check(committer_.Commit(ToString(UuidV7(clock_, random_)), {change}, {}));
    const Nanos done = clock_.MonotonicNow();
    metadata_ = report.tables.at(0);
    const double cpu_seconds =
        static_cast<double>(std::clock() - cpu_before) / static_cast<double>(CLOCKS_PER_SEC);
    return {Millis(written - begun), Millis(done - written), 1'000 * cpu_seconds};
  }

  [[nodiscard]] std::size_t snapshots() const { return metadata_.metadata->snapshots.size(); }
  [[nodiscard]] std::size_t metadata_bytes() {
    return Check(io_.Read(metadata_.metadata_location)).size();
  }
  [[nodiscard]] std::size_t manifests() {
    return Check(cache_.ManifestList(io_, metadata_.metadata->current_snapshot()->manifest_list))
        ->size();
  }

 private:
  static double Millis(Nanos t) { return std::chrono::duration<double, std::milli>(t).count(); }

  PacedClock clock_;
  std::unique_ptr<SqliteCatalog> catalog_;
  std::shared_ptr<arrow::RecordBatch> rows_;
  TableIdentifier table_;
  LoadedTable metadata_;
  PosixFileSystem files_;
  SystemRandom random_;
  NullEventListener events_;
  LocalFileIo io_{files_, random_, "/"};
  MetadataCache cache_{clock_, events_};
  TableCommitter committer_{{*catalog_, io_, clock_, random_, events_, cache_}, {}};
};

void Run(History& history, std::size_t commits) {
  fmt::print("{:>8} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>12} {:>10}\n", "commit",
             "write p50", "commit p50", "max, ms", "CPU p50", "CPU max", "snapshots", "metadata, B",
             "manifests");
  const std::vector<std::size_t> points{10, 100, 1'000, 3'000, 10'000, 30'000};
  std::vector<double> writes;
  std::vector<double> times;
  std::vector<double> cpu;
  for (std::size_t number = 1; number < commits + kWindow; ++number) {
    const Sample sample = history.CommitOnce();
    const bool inside = std::ranges::any_of(
        points, [&](std::size_t point) { return number >= point && number < point + kWindow; });
    if (!inside) continue;
    writes.push_back(sample.write_ms);
    times.push_back(sample.commit_ms);
    cpu.push_back(sample.cpu_ms);
    if (times.size() < kWindow) continue;
    fmt::print("{:>8} {:>10.2f} {:>10.2f} {:>10.2f} {:>10.2f} {:>10.2f} {:>10} {:>12} {:>10}\n",
               number + 1 - kWindow, Median(writes), Median(times), std::ranges::max(times),
               Median(cpu), std::ranges::max(cpu), history.snapshots(), history.metadata_bytes(),
               history.manifests());
    std::fflush(stdout);
    writes.clear();
    times.clear();
    cpu.clear();
  }
}

}  // namespace
}  // namespace signaldb

int main(int argc, char** argv) {
  CLI::App app("What a commit costs by the number of commits before it");
  std::string folder;
  std::size_t commits = 1'000;
  int rows = 100;
  std::int64_t interval_ms = 5'000;
  std::vector<std::string> set;
  app.add_option("folder", folder, "an empty folder on the disk to be measured")->required();
  app.add_option("--commits", commits, "the last commit to be measured");
  app.add_option("--rows", rows, "rows of one commit");
  app.add_option("--interval-ms", interval_ms, "time between commits, as the tables see it");
  app.add_option("--set", set, "a table property, KEY=VALUE");
  CLI11_PARSE(app, argc, argv);
  signaldb::Properties properties;
  for (const std::string& one : set) {
    const std::size_t equals = one.find('=');
    properties[one.substr(0, equals)] =
        equals == std::string::npos ? std::string() : one.substr(equals + 1);
  }
  signaldb::History history(folder, properties, rows, std::chrono::milliseconds(interval_ms));
  signaldb::Run(history, commits);
  return 0;
}
