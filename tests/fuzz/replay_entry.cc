// Runs a fuzz target without libFuzzer.
//
//   fuzz_replay_            its seeds, and damaged copies of them: part of the default test run
//   fuzz_replay_ FILE ...   these inputs, such as the reproducer of a finding

#include <cstddef>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "base/random.h"
#include "fuzz/fuzz_target.h"

namespace {

constexpr int kDamagedCopies = 50;

/// `seed` with a few bytes changed and, every other time, its end cut off.
std::string Damaged(std::string seed, signaldb::Random& random) {
  for (std::uint64_t changes = random.Below(4); changes > 0 && !seed.empty(); --changes) {
    seed[random.Below(seed.size())] = static_cast<char>(random.Below(256));
  }
  if (random.Below(2) == 0) seed.resize(random.Below(seed.size() + 1));
  return seed;
}

int ReplayFile(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string input((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file) {
    std::fprintf(stderr, "cannot be read path=%s\n", path);
    return 1;
  }
  signaldb::testing::RunInput(input);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  int failures = 0;
  for (int i = 1; i < argc; ++i) failures += ReplayFile(argv[i]);
  if (argc > 1) return failures;

  signaldb::SeededRandom random(1);
  for (const std::string& seed : signaldb::testing::SeedInputs()) {
    signaldb::testing::RunInput(seed);
    for (int i = 0; i < kDamagedCopies; ++i) {
      signaldb::testing::RunInput(Damaged(seed, random));
    }
  }
  return 0;
}
