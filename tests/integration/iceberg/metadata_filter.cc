// Lets a test in Python talk to our metadata code by standard input and output:
//   make [CODEC]     writes the metadata of a table of our own with two snapshots
//   copy             reads metadata and writes it again
//   apply TRANSFORM  reads lines "TYPE HEX" (single-value bytes) and writes each result for people
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>

#include "iceberg/metadata/table_metadata.h"
#include "iceberg/schema/partition_spec.h"

namespace signaldb {
namespace {

constexpr std::int64_t kNowMs = 1'700'000'000'000;

Schema EveryType() {
  Schema schema;
  std::int32_t id = 0;
  for (const char* text :
       {"boolean", "int", "long", "float", "double", "decimal(9, 2)", "decimal(38, 10)", "date",
        "time", "timestamp", "timestamptz", "string", "uuid", "fixed[5]", "binary"}) {
    ++id;
    schema.fields.push_back({.id = id,
                             .name = "c" + std::to_string(id),
                             .required = id == 3,
                             .type = Type::FromText(text).value()});
  }
  schema.fields[0].doc = "true or \"false\"";
  const Type inner =
      Type::Struct({{.id = 103, .name = "x", .required = true, .type = Type(TypeId::kLong)},
                    {.id = 104, .name = "y", .type = Type::List(105, Type(TypeId::kInt), true)}});
  schema.fields.push_back({.id = 100,
                           .name = "nested",
                           .type = Type::Map(101, Type(TypeId::kString), 102, inner, false)});
  schema.identifier_field_ids = {3};
  return schema;
}

NewTable EveryTypeTable(std::string_view codec) {
  NewTable table;
  table.table_uuid = "5f8b14d8-0a14-4e6a-8b04-6b1b7d6d9f10";
  table.location = "file:///wh/every";
  table.schema = EveryType();
  const std::pair<std::int32_t, const char*> partitions[] = {
      {1, "identity"}, {2, "bucket[16]"}, {3, "truncate[10]"}, {8, "year"},        {10, "month"},
      {11, "day"},     {11, "hour"},      {12, "void"},        {12, "truncate[4]"}};
  for (const auto& [source, transform] : partitions) {
    table.spec.fields.push_back({source, 0, "p" + std::to_string(table.spec.fields.size()),
                                 Transform::FromText(transform)});
  }
  table.sort_order.fields = {{Transform::FromText("identity"), 11, false, false},
                             {Transform::FromText("bucket[4]"), 12, true, true}};
  table.properties = {{"owner", "us \"and\" them"}};
  if (!codec.empty()) table.properties["write.metadata.compression-codec"] = codec;
  table.now_ms = kNowMs;
  return table;
}

Result<std::string> Make(std::string_view codec) {
  SIGNALDB_ASSIGN(TableMetadata metadata, MakeTableMetadata(EveryTypeTable(codec)));
  for (std::int64_t number = 1; number <= 2; ++number) {
    const std::int64_t updated = metadata.last_updated_ms;
    Snapshot snapshot;
    snapshot.snapshot_id = 3'000'000'000'000'000'000 + number;
    snapshot.parent_snapshot_id = metadata.current_snapshot_id;
    snapshot.sequence_number = number;
    snapshot.timestamp_ms = updated + 1;
    snapshot.operation = "append";
    snapshot.summary = {{"added-records", "1"}, {"total-records", std::to_string(number)}};
    snapshot.manifest_list = "file:///wh/every/metadata/snap-" + std::to_string(number) + ".avro";
    snapshot.schema_id = metadata.current_schema_id;
    SIGNALDB_TRY(AddSnapshotToMain(metadata, std::move(snapshot)));
    const std::string base = "file:///wh/every/metadata/0000" + std::to_string(number - 1) +
                             "-5f8b14d8-0a14-4e6a-8b04-6b1b7d6d9f10.metadata.json";
    if (!AdvanceMetadataLog(metadata, base, updated, updated + 2).empty()) {
      return Fail(ErrorKind::kInternal, "the metadata log of two entries was cut");
    }
  }
  Schema wider = metadata.schema();
  wider.fields[1].type = Type(TypeId::kLong);
  wider.fields.push_back({.id = 106, .name = "late", .type = Type(TypeId::kString)});
  SIGNALDB_TRY(EvolveSchema(metadata, std::move(wider)));
  return EncodeMetadataFile(metadata);
}

std::string StandardInput() {
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

Result<std::string> Copy() {
  SIGNALDB_ASSIGN(const TableMetadata metadata, ParseTableMetadata(StandardInput()));
  return SerializeTableMetadata(metadata);
}

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

Result<std::string> Apply(std::string_view transform) {
  std::string lines;
  for (std::string type_text, hex; std::cin >> type_text >> hex;) {
    SIGNALDB_ASSIGN(const Type type, Type::FromText(type_text));
    SIGNALDB_ASSIGN(const Literal value, FromSingleValueBytes(type, FromHex(hex)));
    const Transform applied = Transform::FromText(transform);
    SIGNALDB_ASSIGN(const Literal result, applied.Apply(type, value));
    SIGNALDB_ASSIGN(const Type result_type, applied.ResultType(type));
    lines += applied.ToHumanText(result_type, result) + "\n";
  }
  return lines;
}

int Run(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  const std::string_view argument = argc > 2 ? argv[2] : "";
  Result<std::string> output = Fail(ErrorKind::kInvalid, "usage: make [CODEC] | copy | apply T");
  if (command == "make") output = Make(argument);
  if (command == "copy") output = Copy();
  if (command == "apply") output = Apply(argument);
  if (!output) {
    std::cerr << ToString(output.error().kind) << ": " << output.error().message << "\n";
    return 1;
  }
  std::cout << *output;
  return 0;
}

}  // namespace
}  // namespace signaldb

int main(int argc, char** argv) { return signaldb::Run(argc, argv); }
