// Manifest lists of any writer: read, written again, and appended to without being decoded.

#include <random>

#include "fuzz/fuzz_target.h"
#include "iceberg/manifest/manifest.h"
#include "testing/manifest_samples.h"

namespace signaldb::testing {
namespace {

constexpr std::string_view kPath = "memory://table/metadata/snap-1.avro";
constexpr ManifestListContext kContext{.snapshot_id = 12, .sequence_number = 9};

/// Appending copies blocks that it does not decode, so it may succeed where reading does not. Where
/// both do, they agree.
void CheckAppend(std::string_view list, const Result<std::vector<ManifestFile>>& manifests) {
  ManifestFile added;
  added.manifest_path = "memory://table/metadata/added.avro";
  added.added_snapshot_id = kContext.snapshot_id;
  const auto appended = AppendManifestList(kContext, {added}, list, kPath);
  if (!appended.has_value() || !manifests.has_value()) return;
  const auto read = DecodeManifestList(*appended, kPath);
  SIGNALDB_ASSERT(read.has_value());
  SIGNALDB_ASSERT(read->size() == manifests->size() + 1);
}

}  // namespace

void RunInput(std::string_view input) {
  const auto manifests = DecodeManifestList(input, kPath);
  CheckAppend(input, manifests);
  if (!manifests.has_value()) {
    SIGNALDB_ASSERT(manifests.error().kind == ErrorKind::kCorrupt);
    return;
  }
  const auto written = EncodeManifestList(kContext, *manifests);
  if (!written.has_value()) {
    SIGNALDB_ASSERT(written.error().kind == ErrorKind::kInvalid);
    return;
  }
  const auto again = DecodeManifestList(*written, kPath);
  SIGNALDB_ASSERT(again.has_value());
  SIGNALDB_ASSERT(again->size() == manifests->size());
}

std::vector<std::string> SeedInputs() {
  std::vector<std::string> seeds;
  std::mt19937_64 random(1);
  for (const std::int32_t version : {1, 2}) {
    for (const int rows : {1, 5}) {
      std::vector<ManifestFile> manifests;
      for (int i = 0; i < rows; ++i) {
        manifests.push_back(RandomManifestFile(random));
        if (version == 1) manifests.back().content = ManifestContent::kData;
      }
      const auto encoded =
          EncodeManifestList({.format_version = version, .snapshot_id = 3}, manifests);
      SIGNALDB_ASSERT(encoded.has_value());
      seeds.push_back(*encoded);
    }
  }
  return seeds;
}

}  // namespace signaldb::testing
