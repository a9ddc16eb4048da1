#include "adapters/nats/stream_identity.h"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "log/state_file.h"

namespace signaldb {
namespace {

constexpr std::uint64_t kFileBytesMax = 64 << 10;

void Write(rapidjson::Writer<rapidjson::StringBuffer>& writer, const std::string& text) {
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

/// Whether it is known that another consumer of this stream was read here.
bool IsAnother(const std::optional<KnownStream>& known, const StreamState& stream,
               const ConsumerState& consumer) {
  return known.has_value() && known->created == stream.created && !known->consumer.empty() &&
         known->consumer != consumer.durable_name;
}

}  // namespace

Result<KnownStream> Recognise(const std::optional<KnownStream>& known, const StreamState& stream,
                              const ConsumerState& consumer, std::string_view accept) {
  const bool is_other_consumer = IsAnother(known, stream, consumer);
  KnownStream next{.created = stream.created,
                   .last_sequence = stream.last_sequence,
                   .filters = consumer.filters,
                   .accepted = known.has_value() ? known->accepted : std::string(),
                   .consumer = consumer.durable_name,
                   .ack_floor = consumer.ack_floor};
  // The consumer's own state is older than this process: it tells of a stream that went back even
  // to a writer that sees it for the first time.
  SourcePosition highest = std::max(consumer.delivered, consumer.ack_floor);
  if (known.has_value() && known->created != stream.created) {
    if (accept != stream.created) {
      return Fail(ErrorKind::kCorrupt,
                  fmt::format("the stream was created anew, its sequences mean other messages now; "
                              "if that is meant, set accept_new_incarnation = \"{}\" known={} "
                              "found={}",
                              stream.created, known->created, stream.created));
    }
    next.accepted.clear();
  } else if (known.has_value()) {
    highest = std::max(highest, known->last_sequence);
    if (!is_other_consumer && known->filters != consumer.filters) {
      return Fail(
          ErrorKind::kCorrupt,
          fmt::format("the consumer's filters changed, and messages that they let through "
                      "now may count as stored; change them back, and give the new subjects a "
                      "[[nats]] block and a durable of their own known={} found={}",
                      fmt::join(known->filters, ","), fmt::join(consumer.filters, ",")));
    }
  }
  // Part of the key from now on, whatever the configuration says later: the tables know that key.
  const bool is_new_word = accept.starts_with(stream.created + "@") && accept != next.accepted;
  if (is_new_word) next.accepted = accept;
  if (stream.last_sequence < highest && !is_new_word) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("the stream went back: it lost messages, and new ones get sequences "
                            "that the tables hold already; to read it as a new source, set "
                            "accept_new_incarnation = \"{}@{}\" last_seq={} known={}",
                            stream.created, stream.last_sequence, stream.last_sequence, highest));
  }
  return next;
}

std::string WarningOfAnother(const std::optional<KnownStream>& known, const StreamState& stream,
                             const ConsumerState& consumer) {
  if (!IsAnother(known, stream, consumer) || consumer.ack_floor >= known->ack_floor) return {};
  return fmt::format(
      "the tables have the messages up to the floor of the durable that was read before, and store "
      "those that this one delivers up to there once more; if that is not meant, stop the writer, "
      "and create this one anew with deliver_policy = by_start_sequence and opt_start_seq one "
      "above "
      "that floor known={} known_floor={} found={} found_floor={}",
      known->consumer, known->ack_floor, consumer.durable_name, consumer.ack_floor);
}

std::string KeyOf(const std::string& stream, const std::string& consumer,
                  const KnownStream& known) {
  return fmt::format("nats/{}/{}/{}", stream,
                     known.accepted.empty() ? known.created : known.accepted, consumer);
}

std::optional<SequenceGap> FindGap(const StreamState& stream, const ConsumerState& consumer,
                                   SourcePosition reported_through) {
  const SourcePosition seen = std::max(consumer.delivered, reported_through);
  if (stream.first_sequence <= seen + 1) return std::nullopt;
  return SequenceGap{.first = seen + 1, .last = stream.first_sequence - 1};
}

Result<std::optional<KnownStream>> ReadKnownStream(FileSystem& files, const std::string& path) {
  auto file = files.Open(path, OpenMode::kRead);
  if (!file.has_value() && file.error().kind == ErrorKind::kNotFound) {
    return std::optional<KnownStream>();
  }
  if (!file.has_value()) return std::unexpected(std::move(file).error());
  SIGNALDB_ASSIGN(const std::uint64_t size, (*file)->Size());
  std::string text(std::min(size, kFileBytesMax), '\0');
  SIGNALDB_ASSIGN(const std::size_t read,
                  (*file)->ReadAt(0, std::as_writable_bytes(std::span(text))));
  text.resize(read);
  rapidjson::Document json;
  json.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
  const auto is_text = [&](const char* name) {
    return json.HasMember(name) && json[name].IsString();
  };
  if (json.HasParseError() || !json.IsObject() || !is_text("created") || !is_text("accepted") ||
      !json.HasMember("last_seq") || !json["last_seq"].IsUint64() || !json.HasMember("filters") ||
      !json["filters"].IsArray()) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("what is known of a nats stream cannot be read; remove the file to "
                            "forget it file={}",
                            path));
  }
  KnownStream known{.created = json["created"].GetString(),
                    .last_sequence = json["last_seq"].GetUint64(),
                    .accepted = json["accepted"].GetString()};
  // Files of older writers have neither.
  if (is_text("consumer")) known.consumer = json["consumer"].GetString();
  if (json.HasMember("ack_floor") && json["ack_floor"].IsUint64()) {
    known.ack_floor = json["ack_floor"].GetUint64();
  }
  for (const auto& filter : json["filters"].GetArray()) {
    if (filter.IsString()) known.filters.emplace_back(filter.GetString());
  }
  return std::optional(std::move(known));
}

Status WriteKnownStream(FileSystem& files, const std::string& path, const KnownStream& known) {
  rapidjson::StringBuffer body;
  rapidjson::Writer writer(body);
  writer.StartObject();
  writer.Key("created");
  Write(writer, known.created);
  writer.Key("last_seq");
  writer.Uint64(known.last_sequence);
  writer.Key("filters");
  writer.StartArray();
  for (const std::string& filter : known.filters) Write(writer, filter);
  writer.EndArray();
  writer.Key("accepted");
  Write(writer, known.accepted);
  writer.Key("consumer");
  Write(writer, known.consumer);
  writer.Key("ack_floor");
  writer.Uint64(known.ack_floor);
  writer.EndObject();
  SIGNALDB_TRY(files.MakeDirs(ParentDir(path)));
  return ReplaceFile(files, path, std::as_bytes(std::span(body.GetString(), body.GetSize())));
}

}  // namespace signaldb
