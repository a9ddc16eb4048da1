// What does a commit of 100 rows cost as the 10th, the 1,000th and the 10,000th of a table?
//
//   commit_history [--table library|telemetry]... [--store disk|memory]... [--commits N] [--rows N]
//                  [--set KEY=VALUE]...
//
// Commits one after the other through the library, each a real one with its data file. From the
// 10th, 100th, 500th, ... on, 50 commits by turns with the 10th to 50th commits of young tables of
// the same kind. Prints for each of these points
//   ms, young      medians by wall clock, of this table and of young ones
//   growth         median over the pairs of the one by the other; CPU growth the same by CPU time
//   mean CPU       mean CPU time of all commits since the point before, so that merges of
//                  manifests, one commit in a hundred, have their share
//   and what the table then consists of.
//
// Files are in a folder of their own, removed at the end; a table that grows beyond 4 GiB ends the
// run (with --set signaldb.expire-on-commit.enabled=false, after some thousand commits).

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <arrow/api.h>
#include <fmt/format.h>

#include "bench_place.h"
#include "bench_rows.h"
#include "measurement.h"

namespace signaldb {
namespace {

constexpr std::int64_t kPairs = 50;
constexpr std::int64_t kYoung = 9;      // Commits behind a young table: the next is its 10th.
constexpr std::int64_t kYoungMax = 50;  // Another takes its place then.
constexpr std::uintmax_t kBytesMax = std::uintmax_t{4} << 30;

struct Kind {
  RowKind rows = RowKind::kRequests;  // The library's own kind of table; gauges: of telemetry.
  Medium medium = Medium::kDisk;
  std::int64_t row_count = 100;
  StringMap properties;
};

/// What of a folder begins or ends like this, recursively.
struct Files {
  std::size_t count = 0;
  std::uintmax_t bytes = 0;
  std::uintmax_t largest = 0;
};

Files FilesUnder(const std::string& folder, std::string_view part_of_name) {
  Files files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || !entry.path().filename().string().contains(part_of_name)) {
      continue;
    }
    ++files.count;
    files.bytes += entry.file_size();
    files.largest = std::max(files.largest, entry.file_size());
  }
  return files;
}

class GrowingTable {
 public:
  explicit GrowingTable(const Kind& kind)
      : place_(kind.medium),
        writer_(place_.Writer(kind.rows, Codec::kDefault, kind.properties)),
        batch_(MakeRows(kind.rows, kind.row_count)) {}

  Cost Commit() {
    const Cost cost = CostOf([&] { Check(writer_->WriteBatch(batch_)); });
    cpu_s_ += cost.cpu_s;
    ++commits_;
    return cost;
  }
  void GrowTo(std::int64_t commits) {
    while (commits_ < commits) Commit();
  }
  [[nodiscard]] std::int64_t commits() const { return commits_; }
  [[nodiscard]] double cpu_s() const { return cpu_s_; }
  [[nodiscard]] const std::string& folder() const { return place_.path(); }

 private:
  BenchPlace place_;
  std::unique_ptr<IcebergTableWriter> writer_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  std::int64_t commits_ = 0;
  double cpu_s_ = 0;
};

/// A table, and young ones of its kind.
class Race {
 public:
  explicit Race(const Kind& kind) : kind_(kind), old_(std::make_unique<GrowingTable>(kind)) {
    RenewYoung();
  }

  void MeasureAt(std::int64_t number) {
    old_->GrowTo(number - 1);
    std::vector<double> ours;
    std::vector<double> young;
    std::vector<double> growth;
    std::vector<double> cpu_growth;
    for (std::int64_t pair = 0; pair < kPairs; ++pair) {
      Cost mine;
      Cost its;
      if (pair % 2 == 0) mine = old_->Commit();
      its = young_->Commit();
      if (pair % 2 != 0) mine = old_->Commit();
      ours.push_back(mine.wall_s * 1e3);
      young.push_back(its.wall_s * 1e3);
      growth.push_back(mine.wall_s / its.wall_s);
      cpu_growth.push_back(mine.cpu_s / std::max(its.cpu_s, 1e-9));
      if (young_->commits() >= kYoungMax) RenewYoung();
    }
    const double commits = static_cast<double>(old_->commits() - commits_before_);
    const double mean_cpu_ms = (old_->cpu_s() - cpu_before_) * 1e3 / commits;
    commits_before_ = old_->commits();
    cpu_before_ = old_->cpu_s();
    const Files metadata = FilesUnder(old_->folder(), ".metadata.json");
    fmt::print("{:>7} {:>8.2f} {:>8.2f} {:>8.2f} {:>11.2f} {:>9.2f} {:>10} {:>10} {:>13}\n", number,
               Quantile(ours, 0.5), Quantile(young, 0.5), Quantile(growth, 0.5),
               Quantile(cpu_growth, 0.5), mean_cpu_ms, FilesUnder(old_->folder(), "snap-").count,
               FilesUnder(old_->folder(), "-m").count, metadata.largest);
    std::fflush(stdout);
  }

  [[nodiscard]] bool IsTooLarge() const { return FilesUnder(old_->folder(), "").bytes > kBytesMax; }

 private:
  void RenewYoung() {
    young_ = std::make_unique<GrowingTable>(kind_);
    young_->GrowTo(kYoung);
  }

  const Kind kind_;
  std::unique_ptr<GrowingTable> old_;
  std::unique_ptr<GrowingTable> young_;
  std::int64_t commits_before_ = 0;
  double cpu_before_ = 0;
};

void Run(const std::string& table, const Kind& kind, std::int64_t commits) {
  fmt::print("\n{} table, {}\n", table, ToString(kind.medium));
  fmt::print("{:>7} {:>8} {:>8} {:>8} {:>11} {:>9} {:>10} {:>10} {:>13}\n", "commit", "ms", "young",
             "growth", "CPU growth", "mean CPU", "snapshots", "manifests", "metadata, B");
  Race race(kind);
  for (const std::int64_t number : {10, 100, 500, 1'000, 3'000, 10'000, 30'000, 100'000}) {
    if (number > commits) return;
    race.MeasureAt(number);
    if (!race.IsTooLarge()) continue;
    fmt::print("the table is larger than {} bytes now\n", kBytesMax);
    return;
  }
}

}  // namespace
}  // namespace signaldb

int main(int argc, char** argv) {
  CLI::App app("What a commit costs by the number of commits before it");
  std::vector<std::string> tables = {"library", "telemetry"};
  std::vector<std::string> stores = {"disk", "memory"};
  std::int64_t commits = 10'000;
  std::int64_t rows = 100;
  std::vector<std::string> set;
  app.add_option("--table", tables, "kinds of tables")
      ->check(CLI::IsMember({"library", "telemetry"}));
  app.add_option("--store", stores, "$TMPDIR or /tmp, or /dev/shm")
      ->check(CLI::IsMember({"disk", "memory"}));
  app.add_option("--commits", commits, "the last commit to be measured");
  app.add_option("--rows", rows, "rows of one commit");
  app.add_option("--set", set, "a property of the library's table, KEY=VALUE");
  CLI11_PARSE(app, argc, argv);
  signaldb::StringMap properties;
  for (const std::string& one : set) {
    const std::size_t equals = one.find('=');
    properties[one.substr(0, equals)] =
        equals == std::string::npos ? std::string() : one.substr(equals + 1);
  }
  for (const std::string& store : stores) {
    for (const std::string& table : tables) {
      const signaldb::Kind kind{
          .rows = table == "library" ? signaldb::RowKind::kRequests : signaldb::RowKind::kGauges,
          .medium = store == "disk" ? signaldb::Medium::kDisk : signaldb::Medium::kMemory,
          .row_count = rows,
          .properties = properties};
      signaldb::Run(table, kind, commits);
    }
  }
  return 0;
}
