#include "iceberg/scan/table_scan.h"

#include <atomic>
#include <cmath>
#include <optional>
#include <utility>

#include <arrow/api.h>
#include <arrow/compute/cast.h>
#include <arrow/io/interfaces.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>

#include "iceberg/arrow_error.h"
#include "iceberg/schema/schema.h"

namespace signaldb {

namespace {

// ---- Planning ----

bool IsNan(const Literal& literal) {
  if (const auto* f = std::get_if<float>(&literal.value)) return std::isnan(*f);
  if (const auto* d = std::get_if<double>(&literal.value)) return std::isnan(*d);
  return false;
}

struct Range {
  std::optional<Literal> lower;
  std::optional<Literal> upper;
};

// Whether < and > can rule out equality at the edge of a range. Not after a transform, which maps
// many values to one.
enum class Edge : std::uint8_t { kExact, kRounded };

// False only if no value within the range can satisfy the condition.
bool MayHold(const Type& type, const Range& range, Predicate::Op op, const Literal& literal,
             Edge edge) {
  if (IsNan(literal)) return true;
  const bool at_lower = !range.lower || Compare(type, *range.lower, literal) <= 0;
  const bool at_upper = !range.upper || Compare(type, *range.upper, literal) >= 0;
  const bool below = !range.lower || Compare(type, *range.lower, literal) < 0;
  const bool above = !range.upper || Compare(type, *range.upper, literal) > 0;
  switch (op) {
    case Predicate::Op::kEqual:
      return at_lower && at_upper;
    case Predicate::Op::kLess:
      return edge == Edge::kExact ? below : at_lower;
    case Predicate::Op::kLessOrEqual:
      return at_lower;
    case Predicate::Op::kGreater:
      return edge == Edge::kExact ? above : at_upper;
    case Predicate::Op::kGreaterOrEqual:
      return at_upper;
  }
  std::unreachable();
}

struct BoundPredicate {
  const Field* field = nullptr;
  Predicate::Op op = Predicate::Op::kEqual;
  Literal literal;
};

Result<std::vector<BoundPredicate>> Bind(const Schema& schema,
                                         std::span<const Predicate> predicates) {
  std::vector<BoundPredicate> bound;
  for (const Predicate& predicate : predicates) {
    const Field* field = schema.FindByName(predicate.column);
    if (field == nullptr || !field->type.is_primitive() || predicate.literal.is_null()) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("a predicate needs a primitive column and a value column={}",
                              predicate.column));
    }
    bound.push_back({field, predicate.op, predicate.literal});
  }
  return bound;
}

bool KeepsOrder(const Transform& transform) {
  switch (transform.kind) {
    case TransformKind::kIdentity:
    case TransformKind::kYear:
    case TransformKind::kMonth:
    case TransformKind::kDay:
    case TransformKind::kHour:
      return true;
    default:
      return false;
  }
}

Result<std::optional<Literal>> Decode(const Type& type, const std::optional<std::string>& bytes) {
  if (!bytes.has_value()) return std::optional<Literal>();
  SIGNALDB_ASSIGN(Literal literal, FromSingleValueBytes(type, *bytes));
  return std::optional<Literal>(std::move(literal));
}

Result<bool> ManifestMayMatch(const TableMetadata& metadata, const ManifestFile& manifest,
                              const std::vector<BoundPredicate>& predicates) {
  const PartitionSpec* spec = metadata.SpecById(manifest.partition_spec_id);
  if (spec == nullptr || manifest.partitions.size() != spec->fields.size()) return true;
  SIGNALDB_ASSIGN(const std::vector<Type> types, PartitionTypes(*spec, metadata.schema()));
  for (std::size_t i = 0; i < spec->fields.size(); ++i) {
    const PartitionField& field = spec->fields[i];
    if (!KeepsOrder(field.transform)) continue;
    for (const BoundPredicate& predicate : predicates) {
      if (predicate.field->id != field.source_id) continue;
      Range range;
      SIGNALDB_ASSIGN(range.lower, Decode(types[i], manifest.partitions[i].lower_bound));
      SIGNALDB_ASSIGN(range.upper, Decode(types[i], manifest.partitions[i].upper_bound));
      SIGNALDB_ASSIGN(const Literal value,
                      field.transform.Apply(predicate.field->type, predicate.literal));
      if (!MayHold(types[i], range, predicate.op, value, Edge::kRounded)) return false;
    }
  }
  return true;
}

std::optional<std::string> Find(const std::map<std::int32_t, std::string>& bounds,
                                std::int32_t id) {
  const auto it = bounds.find(id);
  return it == bounds.end() ? std::nullopt : std::optional<std::string>(it->second);
}

Result<bool> FileMayMatch(const DataFile& file, const std::vector<BoundPredicate>& predicates) {
  for (const BoundPredicate& predicate : predicates) {
    const Field& field = *predicate.field;
    Range range;
    SIGNALDB_ASSIGN(range.lower, Decode(field.type, Find(file.lower_bounds, field.id)));
    SIGNALDB_ASSIGN(range.upper, Decode(field.type, Find(file.upper_bounds, field.id)));
    if (!MayHold(field.type, range, predicate.op, predicate.literal, Edge::kExact)) return false;
  }
  return true;
}

Status RefuseDeletes(const ManifestFile& manifest, const std::vector<ManifestEntry>& entries) {
  for (const ManifestEntry& entry : entries) {
    if (entry.status == EntryStatus::kDeleted) continue;
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("tables with delete files cannot be read here, rewrite the table's data "
                    "files first file={} manifest={}",
                    entry.data_file.file_path, manifest.manifest_path));
  }
  return {};
}

// ---- Reading ----

using ArrayPtr = std::shared_ptr<arrow::Array>;

std::optional<std::int32_t> FieldIdOf(const arrow::Field& field) {
  if (field.metadata() == nullptr) return std::nullopt;
  const int at = field.metadata()->FindKey("PARQUET:field_id");
  if (at < 0) return std::nullopt;
  return std::stoi(field.metadata()->value(at));
}

// Brings the columns of one file into the shape of the current schema.
class Projector {
 public:
  explicit Projector(std::string path) : path_(std::move(path)) {}

  Result<std::shared_ptr<arrow::RecordBatch>> Project(const Schema& schema,
                                                      const std::shared_ptr<arrow::Schema>& target,
                                                      const arrow::RecordBatch& rows) {
    arrow::ArrayVector columns;
    for (std::size_t i = 0; i < schema.fields.size(); ++i) {
      const int at = IndexOf(rows.schema()->fields(), schema.fields[i].id);
      SIGNALDB_ASSIGN(ArrayPtr column,
                      ProjectField(schema.fields[i], *target->field(static_cast<int>(i)),
                                   at < 0 ? nullptr : rows.column(at), rows.num_rows()));
      columns.push_back(std::move(column));
    }
    return arrow::RecordBatch::Make(target, rows.num_rows(), std::move(columns));
  }

 private:
  static int IndexOf(const arrow::FieldVector& fields, std::int32_t id) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (FieldIdOf(*fields[i]) == id) return static_cast<int>(i);
    }
    return -1;
  }

  template <typename T>
  Result<T> Take(arrow::Result<T> result) const {
    if (result.ok()) return result.MoveValueUnsafe();
    return std::unexpected(ErrorFromArrow(result.status(), fmt::format("reading file={}", path_)));
  }

  Result<ArrayPtr> ProjectField(const Field& field, const arrow::Field& target,
                                const ArrayPtr& array, std::int64_t rows) {
    if (array == nullptr) return Missing(field, target, rows);
    switch (field.type.id()) {
      case TypeId::kStruct:
        return ProjectStruct(field, target, array);
      case TypeId::kList:
      case TypeId::kMap:
        return ProjectRepeated(field, target, array);
      default:
        return ProjectPrimitive(field, target, array);
    }
  }

  Result<ArrayPtr> Missing(const Field& field, const arrow::Field& target, std::int64_t rows) {
    if (field.required || field.initial_default.has_value()) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("the file lacks a column that must not be null column={} file={}",
                              field.name, path_));
    }
    return Take(arrow::MakeArrayOfNull(target.type(), rows));
  }

  Result<ArrayPtr> ProjectPrimitive(const Field& field, const arrow::Field& target,
                                    const ArrayPtr& array) {
    if (array->type()->Equals(*target.type())) return array;
    if (target.type()->id() == arrow::Type::EXTENSION) {
      const auto& type = static_cast<const arrow::ExtensionType&>(*target.type());
      if (array->type()->Equals(*type.storage_type())) {
        return arrow::ExtensionType::WrapArray(target.type(), array);
      }
    }
    if (array->type_id() == arrow::Type::EXTENSION) return Misfit(field, *array);
    if (!MayWiden(*array->type(), *target.type())) return Misfit(field, *array);
    return Take(arrow::compute::Cast(*array, target.type()));
  }

  std::unexpected<Error> Misfit(const Field& field, const arrow::Array& array) const {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("a column of the file does not fit the table column={} want={} have={} "
                            "file={}",
                            field.name, field.type.ToText(), array.type()->ToString(), path_));
  }

  static bool MayWiden(const arrow::DataType& from, const arrow::DataType& to) {
    if (to.id() == arrow::Type::INT64) return from.id() == arrow::Type::INT32;
    if (to.id() == arrow::Type::DOUBLE) return from.id() == arrow::Type::FLOAT;
    if (to.id() == arrow::Type::DECIMAL128 && from.id() == arrow::Type::DECIMAL128) {
      const auto& a = static_cast<const arrow::Decimal128Type&>(from);
      const auto& b = static_cast<const arrow::Decimal128Type&>(to);
      return a.scale() == b.scale() && a.precision() <= b.precision();
    }
    // Writers that keep Arrow's schema in the footer get their own text types back.
    if (to.id() == arrow::Type::STRING) {
      return from.id() == arrow::Type::LARGE_STRING || from.id() == arrow::Type::STRING_VIEW ||
             from.id() == arrow::Type::DICTIONARY;
    }
    if (to.id() == arrow::Type::BINARY) {
      return from.id() == arrow::Type::LARGE_BINARY || from.id() == arrow::Type::BINARY_VIEW;
    }
    // Zones other than UTC name the same instants.
    return to.id() == arrow::Type::TIMESTAMP && from.id() == arrow::Type::TIMESTAMP &&
           static_cast<const arrow::TimestampType&>(to).timezone().empty() ==
               static_cast<const arrow::TimestampType&>(from).timezone().empty();
  }

  Result<ArrayPtr> ProjectStruct(const Field& field, const arrow::Field& target,
                                 const ArrayPtr& array) {
    if (array->type_id() != arrow::Type::STRUCT) return Misfit(field, *array);
    const auto& source = static_cast<const arrow::StructArray&>(*array);
    arrow::ArrayVector children;
    for (std::size_t i = 0; i < field.type.fields().size(); ++i) {
      const int at = IndexOf(array->type()->fields(), field.type.fields()[i].id);
      SIGNALDB_ASSIGN(
          ArrayPtr child,
          ProjectField(field.type.fields()[i], *target.type()->field(static_cast<int>(i)),
                       at < 0 ? nullptr : source.field(at), array->length()));
      children.push_back(std::move(child));
    }
    SIGNALDB_ASSIGN(const auto validity, Validity(*array));
    return ArrayPtr(std::make_shared<arrow::StructArray>(
        target.type(), array->length(), std::move(children), validity, array->null_count()));
  }

  // A list of elements, or a map of entries.
  Result<ArrayPtr> ProjectRepeated(const Field& field, const arrow::Field& target,
                                   const ArrayPtr& array) {
    const bool map = field.type.id() == TypeId::kMap;
    if (array->type_id() != (map ? arrow::Type::MAP : arrow::Type::LIST)) {
      return Misfit(field, *array);
    }
    auto data = array->data()->Copy();
    data->type = target.type();
    if (!map) {
      const ArrayPtr values = static_cast<const arrow::ListArray&>(*array).values();
      SIGNALDB_ASSIGN(
          const ArrayPtr element,
          ProjectField(field.type.fields()[0], *target.type()->field(0), values, values->length()));
      data->child_data = {element->data()};
      return arrow::MakeArray(data);
    }
    const auto& source = static_cast<const arrow::MapArray&>(*array);
    const auto& type = static_cast<const arrow::MapType&>(*target.type());
    SIGNALDB_ASSIGN(const ArrayPtr keys, ProjectField(field.type.fields()[0], *type.key_field(),
                                                      source.keys(), source.keys()->length()));
    SIGNALDB_ASSIGN(const ArrayPtr items, ProjectField(field.type.fields()[1], *type.item_field(),
                                                       source.items(), source.items()->length()));
    const auto entries = std::make_shared<arrow::StructArray>(type.value_type(), keys->length(),
                                                              arrow::ArrayVector{keys, items});
    data->child_data = {entries->data()};
    return arrow::MakeArray(data);
  }

  // The validity bits from the array's first element on.
  Result<std::shared_ptr<arrow::Buffer>> Validity(const arrow::Array& array) const {
    if (array.null_bitmap() == nullptr) return std::shared_ptr<arrow::Buffer>();
    if (array.offset() == 0) return array.null_bitmap();
    return Take(arrow::internal::CopyBitmap(arrow::default_memory_pool(), array.null_bitmap_data(),
                                            array.offset(), array.length()));
  }

  std::string path_;
};

// Remembers whether the store failed: Arrow's reader calls damage in a file an I/O error as well.
class WatchedFile final : public arrow::io::RandomAccessFile {
 public:
  explicit WatchedFile(std::shared_ptr<arrow::io::RandomAccessFile> file)
      : file_(std::move(file)) {}

  [[nodiscard]] bool store_failed() const { return failed_.load(); }

  arrow::Status Close() override { return file_->Close(); }
  [[nodiscard]] bool closed() const override { return file_->closed(); }
  [[nodiscard]] arrow::Result<std::int64_t> Tell() const override { return file_->Tell(); }
  arrow::Status Seek(std::int64_t position) override { return file_->Seek(position); }
  arrow::Result<std::int64_t> GetSize() override { return Watch(file_->GetSize()); }
  arrow::Result<std::int64_t> Read(std::int64_t count, void* out) override {
    return Watch(file_->Read(count, out));
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(std::int64_t count) override {
    return Watch(file_->Read(count));
  }
  arrow::Result<std::int64_t> ReadAt(std::int64_t at, std::int64_t count, void* out) override {
    return Watch(file_->ReadAt(at, count, out));
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(std::int64_t at,
                                                       std::int64_t count) override {
    return Watch(file_->ReadAt(at, count));
  }

 private:
  template <typename T>
  arrow::Result<T> Watch(arrow::Result<T> result) {
    if (!result.ok()) failed_.store(true);
    return result;
  }

  std::shared_ptr<arrow::io::RandomAccessFile> file_;
  std::atomic<bool> failed_ = false;  // Arrow may read ahead on its own threads.
};

Status CheckReadable(const DataFile& file) {
  if (file.content == FileContent::kData && file.file_format == "PARQUET") return {};
  return Fail(ErrorKind::kInvalid,
              fmt::format("only Parquet data files can be read format={} file={}", file.file_format,
                          file.file_path));
}

Status ReadRowGroups(
    const std::shared_ptr<WatchedFile>& opened, const TableMetadata& metadata, const DataFile& file,
    const std::function<Status(const std::shared_ptr<arrow::RecordBatch>&)>& each) {
  const Schema& schema = metadata.schema();
  SIGNALDB_ASSIGN(const auto target, ToArrowSchema(schema));
  std::unique_ptr<parquet::arrow::FileReader> reader;
  PARQUET_ASSIGN_OR_THROW(reader, parquet::arrow::OpenFile(opened, arrow::default_memory_pool()));
  std::shared_ptr<arrow::Schema> found;
  PARQUET_THROW_NOT_OK(reader->GetSchema(&found));
  for (const auto& field : found->fields()) {
    if (FieldIdOf(*field).has_value()) continue;
    return Fail(ErrorKind::kInvalid,
                fmt::format("a column of the file has no field id column={} file={}", field->name(),
                            file.file_path));
  }
  Projector projector(file.file_path);
  for (int group = 0; group < reader->num_row_groups(); ++group) {
    std::shared_ptr<arrow::Table> table;
    PARQUET_ASSIGN_OR_THROW(table, reader->ReadRowGroup(group));
    std::shared_ptr<arrow::RecordBatch> rows;
    PARQUET_ASSIGN_OR_THROW(rows, table->CombineChunksToBatch());
    SIGNALDB_ASSIGN(const auto projected, projector.Project(schema, target, *rows));
    SIGNALDB_TRY(each(projected));
  }
  return {};
}

}  // namespace

Result<std::vector<DataFile>> PlanFiles(FileIo& io, const TableMetadata& metadata,
                                        std::span<const Predicate> predicates) {
  SIGNALDB_ASSIGN(const auto bound, Bind(metadata.schema(), predicates));
  std::vector<DataFile> files;
  const Snapshot* snapshot = metadata.current_snapshot();
  if (snapshot == nullptr) return files;
  SIGNALDB_ASSIGN(const std::string list, io.Read(snapshot->manifest_list));
  SIGNALDB_ASSIGN(const auto manifests, DecodeManifestList(list, snapshot->manifest_list));
  for (const ManifestFile& manifest : manifests) {
    if (manifest.content == ManifestContent::kData) {
      SIGNALDB_ASSIGN(const bool may_match, ManifestMayMatch(metadata, manifest, bound));
      if (!may_match) continue;
    }
    SIGNALDB_ASSIGN(const std::string bytes, io.Read(manifest.manifest_path));
    SIGNALDB_ASSIGN(auto entries, DecodeManifest(bytes, manifest, metadata));
    if (manifest.content == ManifestContent::kDeletes) {
      SIGNALDB_TRY(RefuseDeletes(manifest, entries));
      continue;
    }
    for (ManifestEntry& entry : entries) {
      if (entry.status == EntryStatus::kDeleted) continue;
      SIGNALDB_ASSIGN(const bool may_match, FileMayMatch(entry.data_file, bound));
      if (may_match) files.push_back(std::move(entry.data_file));
    }
  }
  return files;
}

Status ReadDataFile(FileIo& io, const TableMetadata& metadata, const DataFile& file,
                    const std::function<Status(const std::shared_ptr<arrow::RecordBatch>&)>& each) {
  SIGNALDB_TRY(CheckReadable(file));
  SIGNALDB_ASSIGN(auto opened, io.Open(file.file_path));
  const auto watched = std::make_shared<WatchedFile>(std::move(opened));
  const std::string doing = fmt::format("reading file={}", file.file_path);
  Status result;
  bool finished = false;
  Status read = CatchingParquet(doing, [&]() -> Status {
    result = ReadRowGroups(watched, metadata, file, each);
    finished = true;
    return {};
  });
  if (finished) return result;
  if (!read.has_value() && !watched->store_failed()) read.error().kind = ErrorKind::kCorrupt;
  return read;
}

Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> ReadTable(FileIo& io,
                                                                   const TableMetadata& metadata) {
  SIGNALDB_ASSIGN(const std::vector<DataFile> files, PlanFiles(io, metadata));
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (const DataFile& file : files) {
    SIGNALDB_TRY(
        ReadDataFile(io, metadata, file, [&](const std::shared_ptr<arrow::RecordBatch>& rows) {
          batches.push_back(rows);
          return Status();
        }));
  }
  return batches;
}

}  // namespace signaldb
