// Compressed bodies of requests and compressed metadata: the first byte picks the format.

#include <zstd.h>

#include "fuzz/fuzz_input.h"
#include "fuzz/fuzz_target.h"
#include "iceberg/metadata/gzip.h"
#include "telemetry/decompress.h"
#include "testing/otlp_samples.h"

namespace signaldb::testing {
namespace {

constexpr std::size_t kBytesMax = 1 << 18;

void CheckBody(ContentCoding coding, std::string_view body) {
  MemoryBudget budget(std::int64_t{kBytesMax} * 2);
  {
    const auto contents = Decompress(coding, AsBytes(body), {.bytes_max = kBytesMax}, budget);
    if (contents.has_value()) {
      SIGNALDB_ASSERT(contents->bytes.size() <= kBytesMax);
      SIGNALDB_ASSERT(static_cast<std::int64_t>(contents->bytes.size()) <= budget.used());
    } else {
      SIGNALDB_ASSERT(budget.used() == 0);
    }
  }
  SIGNALDB_ASSERT(budget.used() == 0);
}

void CheckMetadata(std::string_view file) {
  const auto contents = Gunzip(file, kBytesMax);
  if (contents.has_value()) {
    SIGNALDB_ASSERT(contents->size() <= kBytesMax);
    SIGNALDB_ASSERT(Gunzip(Gzip(*contents).value(), kBytesMax) == contents);
  }
}

}  // namespace

void RunInput(std::string_view input) {
  FuzzInput in(input);
  switch (in.TakeByte() % 3) {
    case 0:
      return CheckBody(ContentCoding::kGzip, in.rest());
    case 1:
      return CheckBody(ContentCoding::kZstd, in.rest());
    default:
      return CheckMetadata(in.rest());
  }
}

std::vector<std::string> SeedInputs() {
  std::vector<std::string> seeds;
  for (const std::string& text :
       {std::string(), std::string("a few words"), std::string(100'000, 'x')}) {
    const std::string gzip = Gzip(text).value();
    std::string zstd(ZSTD_compressBound(text.size()), '\0');
    zstd.resize(ZSTD_compress(zstd.data(), zstd.size(), text.data(), text.size(), 1));
    seeds.push_back('\0' + gzip);
    seeds.push_back('\0' + gzip + gzip);
    seeds.push_back('\1' + zstd);
    seeds.push_back('\2' + gzip);
  }
  return seeds;
}

}  // namespace signaldb::testing
