// A fuzz target as libFuzzer wants it. With SIGNALDB_FUZZ_SEEDS=DIR it first writes its seeds
// there, which is the folder to be given as the corpus (tools/fuzz does both).

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include "fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  const char* dir = std::getenv("SIGNALDB_FUZZ_SEEDS");
  if (dir == nullptr) return 0;
  int number = 0;
  for (const std::string& seed : signaldb::testing::SeedInputs()) {
    std::ofstream file(fmt::format("{}/seed-{:02}", dir, number++), std::ios::binary);
    file.write(seed.data(), static_cast<std::streamsize>(seed.size()));
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  signaldb::testing::RunInput({reinterpret_cast<const char*>(data), size});
  return 0;
}
