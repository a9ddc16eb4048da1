#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/source_position.h"
#include "signaldb/result.h"
#include "telemetry/ingest.h"
#include "telemetry/signal.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// What of a message a dead letter holds, and so whether it can be decoded again.
enum class LetterContent : std::uint8_t {
  kWhole,    ///< All of the message; none of it is in other tables.
  kRecords,  ///< A protobuf request of the rejected records alone; the others are in their tables.
  kMixed,    ///< All of the message, of which other records are in their tables: not for replay.
  kStart,    ///< Its first bytes.
  kNone,     ///< Nothing of it.
  /// All of it, refused by its source before anything was decoded. Whose rows they would be, or of
  /// which signal, is not known for sure: the dataset that keeps it is only where it was put.
  kUnfit,
};

/// "whole", "records", "mixed", "start", "none", "unfit": as in the table.
[[nodiscard]] std::string_view ToString(LetterContent content);

/// A message, or some records of one, that can never become rows: why, where it came from, and its
/// bytes. Of a flood one letter stands for many messages.
///
/// Lifetime: borrows all its texts and bytes.
struct DeadLetter {
  std::string_view source;
  SourcePosition position = 0;        ///< Of the last message that it stands for.
  SourcePosition first_position = 0;  ///< Of the first one.
  std::int64_t messages = 1;
  std::int32_t part = 0;  ///< Of the message, counted from 0, where it feeds several datasets.
  Signal signal = Signal::kLogs;
  MessageEncoding encoding = MessageEncoding::kProtobuf;
  Nanos received_at{0};
  std::string_view reason;  ///< Of the first message; cut at kReasonBytesMax when written.
  /// How many of its records were rejected; the others are in their tables. Nothing: all of it.
  std::optional<std::int64_t> rejected_records;
  LetterContent content = LetterContent::kWhole;
  std::int64_t message_bytes = 0;      ///< As received, of all messages together.
  std::span<const std::byte> message;  ///< What `content` says.
  std::string_view message_xxh64;      ///< Of the message as received, in hex; empty: not known.
  /// Whose rows they would have become; empty: the dataset's whose table holds the letter.
  std::string_view for_tenant;
  std::string_view for_dataset;

  /// Whether decoding it again, under other limits, could give rows of a dataset that is known, and
  /// only rows that no table has.
  [[nodiscard]] bool IsReplayable() const {
    return content == LetterContent::kWhole || content == LetterContent::kRecords;
  }
};

inline constexpr std::size_t kReasonBytesMax = 1'024;

/// XXH64 as 16 hex digits, which `xxhsum` prints.
[[nodiscard]] std::string Xxh64Text(std::span<const std::byte> bytes);

/// The letter as one row of the table of dead letters. Texts that are not UTF-8 are made so.
[[nodiscard]] std::shared_ptr<arrow::RecordBatch> RowOf(const DeadLetter& letter);

/// The letter in one row of that table, borrowed from `rows`. Errors: kInvalid (a column that is
/// missing or of another type, or a word that is none of its column's: names the column).
[[nodiscard]] Result<DeadLetter> LetterIn(const arrow::RecordBatch& rows, std::int64_t row);

}  // namespace signaldb
