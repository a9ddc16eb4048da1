#include "pipeline/message_decoding.h"

#include <span>
#include <string_view>
#include <utility>

#include "pipeline/decoded_rows.h"
#include "telemetry/select_records.h"
#include "telemetry/table_definition.h"

namespace signaldb {

namespace {

constexpr std::string_view kModule = "pipeline";

void AddRow(const DeadLetter& letter, PartRows& rows) {
  rows.bytes += static_cast<std::int64_t>(letter.message.size()) + kLetterBytes;
  rows.rows.tables.push_back(
      {std::string(DefinitionOf(TableKind::kDeadLetters).name), RowOf(letter)});
}

}  // namespace

PartRows MessageDecoding::Decode(const SourceMessage& message, std::size_t part,
                                 const Destination& destination) const {
  const SourceMessage::Part& from = message.parts[part];
  PartRows rows{.rows = {.received_at = message.received_at, .tables = {}, .hold = {}},
                .bytes = 0,
                .reason_beyond_limit = {}};
  DeadLetter letter{.source = destination.source,
                    .position = message.position,
                    .first_position = message.position,
                    .part = static_cast<std::int32_t>(part),
                    .signal = message.signal,
                    .encoding = message.encoding,
                    .received_at = message.received_at,
                    .reason = {},
                    .rejected_records = {},
                    .message_bytes = static_cast<std::int64_t>(from.body.size()),
                    .message = from.body,
                    .message_xxh64 = {},
                    .for_tenant = {},
                    .for_dataset = {}};
  if (destination.refused) {
    letter.for_tenant = from.tenant;
    letter.for_dataset = from.dataset;
  }
  if (const auto& why = message.unfit ? message.unfit : destination.refused; why) {
    letter.reason = *why;
    if (message.unfit) letter.content = LetterContent::kUnfit;
    Keep(message, letter, destination, rows);
    return rows;
  }
  DecodeOptions options = decode_;
  options.received_at = message.received_at;
  Result<DecodedRequest> decoded =
      DecodeMessage(message.signal, message.encoding, from.body, options);
  const Status fit = decoded ? CheckHours(*decoded) : Status(std::unexpected(decoded.error()));
  if (!fit) {
    letter.reason = fit.error().message;
    Keep(message, letter, destination, rows);
    return rows;
  }
  CountRecords(events_, message.signal, *decoded);
  const std::string why = std::move(decoded->rejection_message);
  const std::vector<std::uint32_t> rejected = std::move(decoded->rejected_records);
  if (decoded->rejected > 0) letter.rejected_records = decoded->rejected;
  rows.bytes = BytesOf(*decoded);
  rows.rows = MessageOf(*std::move(decoded), message.received_at, {});
  if (!letter.rejected_records) return rows;
  const Result<std::string> selected =
      SelectRecords(message.signal, message.encoding, from.body, rejected);
  letter.reason = why;
  letter.content = selected ? LetterContent::kRecords : LetterContent::kMixed;
  if (selected) {
    letter.encoding = MessageEncoding::kProtobuf;
    letter.message = std::as_bytes(std::span(*selected));
  }
  Keep(message, letter, destination, rows);
  return rows;
}

void MessageDecoding::Keep(const SourceMessage& message, DeadLetter letter,
                           const Destination& destination, PartRows& rows) const {
  const std::size_t bytes = letter.message.size();
  const std::optional<std::size_t> kept = allowance_.Take(destination.dataset, bytes);
  std::string checksum;
  if (!kept) {
    letter.content = LetterContent::kNone;
  } else if (*kept < bytes) {
    letter.content = LetterContent::kStart;
    checksum = Xxh64Text(message.parts[static_cast<std::size_t>(letter.part)].body);
    letter.message_xxh64 = checksum;
  }
  letter.message = letter.message.first(kept.value_or(0));
  events_.Count("signaldb_writer_dead_letters_total", 1, {{"signal", ToString(letter.signal)}});
  if (letter.content == LetterContent::kStart || letter.content == LetterContent::kNone) {
    events_.Count("signaldb_writer_dead_letters_shortened_total", 1,
                  {{"content", ToString(letter.content)}});
  }
  Say(letter, destination);
  // The rows beside it need the message in any case, so its letter may as well go along.
  if (!kept && rows.rows.tables.empty()) {
    rows.reason_beyond_limit = std::string(letter.reason);
    return;
  }
  AddRow(letter, rows);
}

void MessageDecoding::Say(const DeadLetter& letter, const Destination& destination) const {
  const std::optional<std::int64_t> left_out = allowance_.TakeLine(destination.dataset);
  if (!left_out) return;
  events_.Log({.severity = Severity::kWarning,
               .module = kModule,
               .message = "message, or records of it, can never be rows; kept in the table of dead "
                          "letters",
               .fields = {{"source", std::string(letter.source)},
                          {"position", std::to_string(letter.position)},
                          {"tenant", destination.dataset.tenant},
                          {"dataset", destination.dataset.dataset},
                          {"content", std::string(ToString(letter.content))},
                          {"reason", std::string(letter.reason.substr(0, kReasonBytesMax))},
                          {"lines_left_out", std::to_string(*left_out)}}});
}

PartRows MessageDecoding::LetterForMany(const DeadLetter& letter) {
  PartRows rows{.rows = {.received_at = letter.received_at, .tables = {}, .hold = {}},
                .bytes = 0,
                .reason_beyond_limit = {}};
  AddRow(letter, rows);
  return rows;
}

}  // namespace signaldb
