// metadata.json of any writer: what we read, we write so that it reads the same.

#include "fuzz/fuzz_target.h"
#include "iceberg/metadata/gzip.h"
#include "iceberg/metadata/table_metadata.h"
#include "unit/iceberg/metadata_documents.h"

namespace signaldb::testing {

void RunInput(std::string_view input) {
  const auto first = ParseTableMetadata(input);
  if (!first.has_value()) {
    SIGNALDB_ASSERT(first.error().kind == ErrorKind::kCorrupt ||
                    first.error().kind == ErrorKind::kInvalid);
    return;
  }
  // Whatever parses has these.
  SIGNALDB_ASSERT(first->schema().schema_id == first->current_schema_id);
  SIGNALDB_ASSERT(first->partition_spec().spec_id == first->default_spec_id);
  SIGNALDB_ASSERT(first->sort_order().order_id == first->default_sort_order_id);
  const std::string written = SerializeTableMetadata(*first);
  const auto second = ParseTableMetadata(written);
  SIGNALDB_ASSERT(second.has_value());
  const std::string rewritten = SerializeTableMetadata(*second);
  SIGNALDB_ASSERT(rewritten == written);
}

std::vector<std::string> SeedInputs() {
  std::vector<std::string> seeds;
  for (const std::string_view json : {kV1Minimal, kV2Minimal, kV2, kV3}) seeds.emplace_back(json);
  seeds.push_back(Gzip(kV2Minimal).value());
  return seeds;
}

}  // namespace signaldb::testing
