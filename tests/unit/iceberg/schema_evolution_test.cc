#include <gtest/gtest.h>

#include "iceberg/metadata/table_metadata.h"
#include "testing/matchers.h"
#include "unit/iceberg/iceberg_printers.h"

namespace signaldb {
namespace {

using testing::IsErrorSaying;
using testing::IsOk;

Field Make(std::int32_t id, std::string name, Type type, bool required = false) {
  return {.id = id, .name = std::move(name), .required = required, .type = std::move(type)};
}

Type Of(const char* text) { return *Type::FromText(text); }

Type StructOf(std::vector<Field> fields) { return Type::Struct(std::move(fields)); }

/// a int required, b float, c decimal(9, 2), d struct<x int>, e map<struct<k int>, long>,
/// f list<int required>.
Schema Before() {
  Schema schema;
  schema.fields = {
      Make(1, "a", Of("int"), true),
      Make(2, "b", Of("float")),
      Make(3, "c", Of("decimal(9, 2)")),
      Make(4, "d", StructOf({Make(5, "x", Of("int"))})),
      Make(6, "e", Type::Map(7, StructOf({Make(8, "k", Of("int"))}), 9, Of("long"), false)),
      Make(10, "f", Type::List(11, Of("int"), true)),
  };
  return schema;
}

TableMetadata TableOf(Schema schema) {
  NewTable table;
  table.table_uuid = "5f8b14d8-0a14-4e6a-8b04-6b1b7d6d9f10";
  table.location = "file:///wh/t";
  table.schema = std::move(schema);
  table.now_ms = 1;
  return *MakeTableMetadata(std::move(table));
}

struct Row {
  const char* name;
  void (*change)(Schema&);
  const char* column = nullptr;  // Of a refusal.
};

TEST(EvolveSchema, AllowsWhatOldFilesCanStillBeReadAs) {
  const Row rows[] = {
      {"new column", [](Schema& s) { s.fields.push_back(Make(12, "n", Of("string"))); }},
      {"new column first",
       [](Schema& s) { s.fields.insert(s.fields.begin(), Make(12, "n", Of("string"))); }},
      {"new nested column",
       [](Schema& s) {
         s.fields[3].type = StructOf({Make(5, "x", Of("int")), Make(12, "y", Of("int"))});
       }},
      {"new struct with a required field",
       [](Schema& s) {
         s.fields.push_back(Make(12, "n", StructOf({Make(13, "y", Of("int"), true)})));
       }},
      {"int to long", [](Schema& s) { s.fields[0].type = Of("long"); }},
      {"float to double", [](Schema& s) { s.fields[1].type = Of("double"); }},
      {"more digits", [](Schema& s) { s.fields[2].type = Of("decimal(10, 2)"); }},
      {"nested int to long",
       [](Schema& s) { s.fields[3].type = StructOf({Make(5, "x", Of("long"))}); }},
      {"element int to long",
       [](Schema& s) { s.fields[5].type = Type::List(11, Of("long"), true); }},
      {"element optional", [](Schema& s) { s.fields[5].type = Type::List(11, Of("int"), false); }},
      {"required to optional", [](Schema& s) { s.fields[0].required = false; }},
      {"rename", [](Schema& s) { s.fields[0].name = "renamed"; }},
      {"swap names", [](Schema& s) { std::swap(s.fields[0].name, s.fields[1].name); }},
      {"doc", [](Schema& s) { s.fields[0].doc = "text"; }},
      {"order", [](Schema& s) { std::swap(s.fields[0], s.fields[5]); }},
      {"identifier", [](Schema& s) { s.identifier_field_ids = {1}; }},
  };
  for (const Row& row : rows) {
    TableMetadata metadata = TableOf(Before());
    Schema schema = Before();
    row.change(schema);
    ASSERT_THAT(EvolveSchema(metadata, schema), IsOk()) << row.name;
    EXPECT_EQ(metadata.current_schema_id, 1) << row.name;
    EXPECT_TRUE(SameColumns(metadata.schema(), schema)) << row.name;
    EXPECT_EQ(metadata.last_column_id, std::max(11, schema.HighestId())) << row.name;
    EXPECT_THAT(ParseTableMetadata(SerializeTableMetadata(metadata)), IsOk()) << row.name;
  }
}

TEST(EvolveSchema, RefusesTheRestByColumn) {
  const Row rows[] = {
      {"removed", [](Schema& s) { s.fields.pop_back(); }, "column=f"},
      {"removed nested", [](Schema& s) { s.fields[3].type = StructOf({Make(12, "y", Of("int"))}); },
       "column=d.x"},
      {"long to int",
       [](Schema& s) {
         s.fields[4].type = Type::Map(7, StructOf({Make(8, "k", Of("int"))}), 9, Of("int"), false);
       },
       "column=e.value"},
      {"int to double", [](Schema& s) { s.fields[0].type = Of("double"); }, "column=a"},
      {"int to string", [](Schema& s) { s.fields[0].type = Of("string"); }, "column=a"},
      {"fewer digits", [](Schema& s) { s.fields[2].type = Of("decimal(8, 2)"); }, "column=c"},
      {"other scale", [](Schema& s) { s.fields[2].type = Of("decimal(10, 3)"); }, "column=c"},
      {"struct to list", [](Schema& s) { s.fields[3].type = Type::List(5, Of("int"), false); },
       "column=d"},
      {"optional to required", [](Schema& s) { s.fields[1].required = true; }, "column=b"},
      {"new required", [](Schema& s) { s.fields.push_back(Make(12, "n", Of("int"), true)); },
       "column=n"},
      {"used id", [](Schema& s) { s.fields.push_back(Make(11, "n", Of("int"))); }, "column=n"},
      {"map key",
       [](Schema& s) {
         s.fields[4].type =
             Type::Map(7, StructOf({Make(8, "k", Of("long"))}), 9, Of("long"), false);
       },
       "column=e"},
      {"map key gains a field",
       [](Schema& s) {
         s.fields[4].type =
             Type::Map(7, StructOf({Make(8, "k", Of("int")), Make(12, "l", Of("int"))}), 9,
                       Of("long"), false);
       },
       "column=e"},
      {"same name", [](Schema& s) { s.fields[0].name = "b"; }, "column=b"},
      {"no name", [](Schema& s) { s.fields[0].name = ""; }, "column="},
      {"id 0", [](Schema& s) { s.fields.push_back(Make(0, "n", Of("int"))); }, "column=n"},
      {"reserved id", [](Schema& s) { s.fields.push_back(Make(2'147'483'448, "n", Of("int"))); },
       "column=n"},
      {"not utf-8", [](Schema& s) { s.fields[0].doc = "\xff"; }, "in=a"},
      {"version 3", [](Schema& s) { s.fields.push_back(Make(12, "n", Of("timestamp_ns"))); },
       "column=n"},
      {"default",
       [](Schema& s) {
         s.fields.push_back(Make(12, "n", Of("int")));
         s.fields.back().write_default = "1";
       },
       "column=n"},
      {"identifier optional", [](Schema& s) { s.identifier_field_ids = {3}; }, "column=c"},
      {"identifier unknown", [](Schema& s) { s.identifier_field_ids = {12}; }, "column=12"},
      {"moved",
       [](Schema& s) {
         s.fields[3].type = StructOf({Make(5, "x", Of("int")), Make(2, "b", Of("float"))});
         s.fields.erase(s.fields.begin() + 1);
       },
       "column=b"},
  };
  for (const Row& row : rows) {
    TableMetadata metadata = TableOf(Before());
    const std::string before = SerializeTableMetadata(metadata);
    Schema schema = Before();
    row.change(schema);
    EXPECT_THAT(EvolveSchema(metadata, schema), IsErrorSaying(ErrorKind::kInvalid, row.column))
        << row.name;
    EXPECT_EQ(SerializeTableMetadata(metadata), before) << row.name;
  }
}

TEST(EvolveSchema, RefusesToTakeUpTheIdOfADroppedColumn) {
  TableMetadata metadata = TableOf(Before());
  metadata.last_column_id = 20;  // As after another engine dropped columns.
  Schema schema = Before();
  schema.fields.push_back(Make(20, "n", Of("int")));
  EXPECT_THAT(EvolveSchema(metadata, schema), IsErrorSaying(ErrorKind::kInvalid, "id=20"));
  schema.fields.back() = Make(21, "n", StructOf({Make(15, "y", Of("int"))}));
  EXPECT_THAT(EvolveSchema(metadata, schema), IsErrorSaying(ErrorKind::kInvalid, "column=n.y"));
  schema.fields.back() = Make(21, "n", Of("int"));
  EXPECT_THAT(EvolveSchema(metadata, schema), IsOk());
  EXPECT_EQ(metadata.last_column_id, 21);
}

TEST(EvolveSchema, ReusesEqualSchemas) {
  TableMetadata metadata = TableOf(Before());
  ASSERT_THAT(EvolveSchema(metadata, Before()), IsOk());
  EXPECT_EQ(metadata.schemas.size(), 1u);
  Schema renamed = Before();
  renamed.fields[0].name = "z";
  ASSERT_THAT(EvolveSchema(metadata, renamed), IsOk());
  ASSERT_THAT(EvolveSchema(metadata, Before()), IsOk());
  EXPECT_EQ(metadata.schemas.size(), 2u);
  EXPECT_EQ(metadata.current_schema_id, 0);
}

TEST(EvolveSchema, LeavesOtherCopiesAlone) {
  const TableMetadata first = TableOf(Before());
  TableMetadata second = first;
  Schema schema = Before();
  schema.fields[0].name = "z";
  ASSERT_THAT(EvolveSchema(second, schema), IsOk());
  EXPECT_EQ(first.schema().fields[0].name, "a");
}

}  // namespace
}  // namespace signaldb
