#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "iceberg/avro/avro_encoding.h"
#include "iceberg/avro/avro_schema.h"
#include "iceberg/schema/literal.h"
#include "iceberg/schema/type.h"

namespace signaldb {

/// `value` in the form that `type` has in memory: an int where the column is now long becomes a
/// long, a float a double. Nothing if it does not fit, by kind or by length. Null fits every type.
[[nodiscard]] std::optional<Literal> FitPartitionValue(const Type& type, const Literal& value);

/// Writes a partition value as the manifest's schema has it, union branch first. `value` has been
/// through FitPartitionValue.
void WritePartitionValue(const Type& type, const Literal& value, AvroEncoder& encoder);

/// Reads a partition value that a file holds as `avro`, promoting where the column was. A value
/// that does not fit is a fault of the decoder. For type kUnknown the file's own type decides.
[[nodiscard]] Literal ReadPartitionValue(const Type& type, const AvroSchema& avro,
                                         AvroDecoder& decoder);

/// True for a NaN of float or double.
[[nodiscard]] bool IsNaN(const Literal& value);

}  // namespace signaldb
