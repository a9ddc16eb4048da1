// Manifests of any writer, read against a fixed table: the first byte picks how the list describes
// the manifest, the rest is the file.

#include <random>

#include "fuzz/fuzz_input.h"
#include "fuzz/fuzz_target.h"
#include "iceberg/manifest/manifest.h"
#include "testing/manifest_samples.h"

namespace signaldb::testing {
namespace {

const TableMetadata& Table() {
  static const TableMetadata table = SampleTable();
  return table;
}

/// As a manifest list would describe it; `choice` picks the spec, the content and what is known.
ManifestFile Described(unsigned choice) {
  ManifestFile file;
  file.manifest_path = "memory://table/metadata/m.avro";
  file.partition_spec_id = static_cast<std::int32_t>(choice % 4);
  file.content = static_cast<ManifestContent>(choice / 4 % 2);
  file.sequence_number = choice / 8 % 2 == 0 ? 7 : kUnassignedSequenceNumber;
  file.added_snapshot_id = 11;
  if (choice / 16 % 2 == 1) file.first_row_id = 100;
  return file;
}

}  // namespace

void RunInput(std::string_view input) {
  FuzzInput in(input);
  const ManifestFile file = Described(in.TakeByte());
  const auto entries = DecodeManifest(in.rest(), file, Table());
  if (!entries.has_value()) {
    SIGNALDB_ASSERT(entries.error().kind == ErrorKind::kCorrupt);
    return;
  }
  const PartitionSpec* spec = Table().SpecById(file.partition_spec_id);
  SIGNALDB_ASSERT(spec != nullptr);
  // What can be written again reads the same.
  const ManifestContext context{.schema = &Table().schema(), .spec = spec, .content = file.content};
  const auto written = EncodeManifest(context, *entries);
  if (!written.has_value()) {
    SIGNALDB_ASSERT(written.error().kind == ErrorKind::kInvalid);
    return;
  }
  ManifestFile rewritten = written->file;
  rewritten.sequence_number = file.sequence_number;
  SIGNALDB_ASSERT(DecodeManifest(written->bytes, rewritten, Table()).has_value());
}

std::vector<std::string> SeedInputs() {
  std::vector<std::string> seeds;
  std::mt19937_64 random(1);
  for (const std::int32_t spec_id : {0, 1, 2}) {
    for (const std::int32_t version : {1, 2}) {
      const ManifestContext context{.format_version = version,
                                    .schema = &Table().schema(),
                                    .spec = Table().SpecById(spec_id),
                                    .snapshot_id = 11};
      std::vector<ManifestEntry> entries;
      for (int i = 0; i < 3; ++i) {
        ManifestEntry entry = RandomEntry(random, Table(), spec_id, 3);
        entry.status = EntryStatus::kAdded;
        entry.snapshot_id.reset();
        entry.sequence_number.reset();
        entry.file_sequence_number.reset();
        if (version == 1) entry.data_file.referenced_data_file.reset();
        entries.push_back(std::move(entry));
      }
      const auto encoded = EncodeManifest(context, entries);
      SIGNALDB_ASSERT(encoded.has_value());
      seeds.push_back(static_cast<char>(spec_id) + encoded->bytes);
    }
  }
  return seeds;
}

}  // namespace signaldb::testing
