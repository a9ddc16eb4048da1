#include "adapters/nats/jetstream_api.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace signaldb {
namespace {

using Json = rapidjson::Value;
using JsonWriter = rapidjson::Writer<rapidjson::StringBuffer>;

constexpr int kHttpNotFound = 404;
constexpr int kHttpUnavailable = 503;
constexpr int kHttpTimeout = 408;

const Json* Member(const Json& object, const char* name) {
  if (!object.IsObject()) return nullptr;
  const auto found = object.FindMember(name);
  return found == object.MemberEnd() ? nullptr : &found->value;
}

std::string Text(const Json& object, const char* name) {
  const Json* value = Member(object, name);
  return value != nullptr && value->IsString()
             ? std::string(value->GetString(), value->GetStringLength())
             : std::string();
}

std::int64_t Number(const Json& object, const char* name, std::int64_t otherwise = 0) {
  const Json* value = Member(object, name);
  return value != nullptr && value->IsInt64() ? value->GetInt64() : otherwise;
}

std::uint64_t Count(const Json& object, const char* name) {
  const Json* value = Member(object, name);
  return value != nullptr && value->IsUint64() ? value->GetUint64() : 0;
}

/// The answer, unless it is none or says that the server refused.
Status Parse(std::string_view json, rapidjson::Document& into) {
  into.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
  if (into.HasParseError() || !into.IsObject()) {
    return Fail(ErrorKind::kCorrupt, "the nats server's answer is not a json object");
  }
  const Json* error = Member(into, "error");
  if (error == nullptr) return {};
  const std::int64_t code = Number(*error, "code");
  const ErrorKind kind = code == kHttpNotFound ? ErrorKind::kNotFound
                         : code == kHttpUnavailable || code == kHttpTimeout
                             ? ErrorKind::kUnavailable
                             : ErrorKind::kInvalid;
  return Fail(kind, fmt::format("the nats server refuses: {} err_code={}",
                                Text(*error, "description"), Number(*error, "err_code")));
}

std::string Answer(std::string_view json, const char* asked) {
  return fmt::format("{} bytes={}", asked, json.size());
}

void Write(JsonWriter& writer, std::string_view text) {
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void WriteText(JsonWriter& writer, const char* name, std::string_view text) {
  writer.Key(name);
  Write(writer, text);
}

void WriteNumber(JsonWriter& writer, const char* name, std::int64_t number) {
  writer.Key(name);
  writer.Int64(number);
}

void WriteSubjects(JsonWriter& writer, const char* name, const std::vector<NatsSubject>& subjects) {
  writer.Key(name);
  writer.StartArray();
  for (const NatsSubject& subject : subjects) Write(writer, subject.pattern);
  writer.EndArray();
}

}  // namespace

Result<StreamState> ReadStreamState(std::string_view json) {
  rapidjson::Document answer;
  SIGNALDB_TRY(Parse(json, answer));
  const Json* state = Member(answer, "state");
  StreamState stream{.created = Text(answer, "created")};
  if (state == nullptr || stream.created.empty()) {
    return Fail(ErrorKind::kCorrupt, Answer(json, "the answer does not describe a stream"));
  }
  stream.first_sequence = Count(*state, "first_seq");
  stream.last_sequence = Count(*state, "last_seq");
  stream.messages = Count(*state, "messages");
  return stream;
}

Result<ConsumerState> ReadConsumerState(std::string_view json) {
  rapidjson::Document answer;
  SIGNALDB_TRY(Parse(json, answer));
  const Json* config = Member(answer, "config");
  const Json* delivered = Member(answer, "delivered");
  const Json* floor = Member(answer, "ack_floor");
  if (config == nullptr || delivered == nullptr || floor == nullptr) {
    return Fail(ErrorKind::kCorrupt, Answer(json, "the answer does not describe a consumer"));
  }
  ConsumerState consumer{.created = Text(answer, "created"),
                         .durable_name = Text(*config, "durable_name"),
                         .deliver_subject = Text(*config, "deliver_subject"),
                         .ack_policy = Text(*config, "ack_policy"),
                         .ack_wait = Nanos(Number(*config, "ack_wait")),
                         .max_deliver = Number(*config, "max_deliver", -1),
                         .max_ack_pending = Number(*config, "max_ack_pending"),
                         .max_batch = Number(*config, "max_batch"),
                         .max_bytes = Number(*config, "max_bytes"),
                         .max_expires = Nanos(Number(*config, "max_expires")),
                         .delivered = Count(*delivered, "stream_seq"),
                         .ack_floor = Count(*floor, "stream_seq"),
                         .ack_pending = Count(answer, "num_ack_pending"),
                         .redelivered = Count(answer, "num_redelivered"),
                         .pending = Count(answer, "num_pending")};
  if (const std::string one = Text(*config, "filter_subject"); !one.empty()) {
    consumer.filters.push_back(one);
  }
  if (const Json* many = Member(*config, "filter_subjects"); many != nullptr && many->IsArray()) {
    for (const Json& filter : many->GetArray()) {
      if (filter.IsString()) consumer.filters.emplace_back(filter.GetString());
    }
  }
  std::ranges::sort(consumer.filters);
  if (const Json* steps = Member(*config, "backoff"); steps != nullptr && steps->IsArray()) {
    for (const Json& step : steps->GetArray()) {
      if (step.IsInt64()) consumer.ack_wait = std::min(consumer.ack_wait, Nanos(step.GetInt64()));
    }
  }
  return consumer;
}

Result<StreamState> AskForStream(NatsLink& link, const std::string& stream, Nanos timeout) {
  SIGNALDB_ASSIGN(const std::string answer,
                  link.Request("$JS.API.STREAM.INFO." + stream, "", timeout));
  return ReadStreamState(answer);
}

Result<ConsumerState> AskForConsumer(NatsLink& link, const std::string& stream,
                                     const std::string& consumer, Nanos timeout) {
  SIGNALDB_ASSIGN(
      const std::string answer,
      link.Request(fmt::format("$JS.API.CONSUMER.INFO.{}.{}", stream, consumer), "", timeout));
  return ReadConsumerState(answer);
}

Status CreateStream(NatsLink& link, const NatsSourceOptions& options) {
  rapidjson::StringBuffer body;
  JsonWriter writer(body);
  writer.StartObject();
  WriteText(writer, "name", options.stream);
  WriteSubjects(writer, "subjects", options.subjects);
  WriteText(writer, "retention", "limits");
  WriteText(writer, "storage", "file");
  WriteNumber(writer, "num_replicas", 1);
  writer.EndObject();
  SIGNALDB_ASSIGN(const std::string answer,
                  link.Request("$JS.API.STREAM.CREATE." + options.stream, body.GetString(),
                               options.request_timeout));
  rapidjson::Document parsed;
  return Parse(answer, parsed);
}

Status CreateConsumer(NatsLink& link, const NatsSourceOptions& options) {
  rapidjson::StringBuffer body;
  JsonWriter writer(body);
  writer.StartObject();
  WriteText(writer, "stream_name", options.stream);
  writer.Key("config");
  writer.StartObject();
  WriteText(writer, "durable_name", options.consumer);
  WriteText(writer, "deliver_policy", "all");
  WriteText(writer, "ack_policy", "explicit");
  WriteText(writer, "replay_policy", "instant");
  WriteNumber(writer, "ack_wait", options.ack_wait.count());
  WriteNumber(writer, "max_deliver", -1);
  WriteNumber(writer, "max_ack_pending", options.max_ack_pending);
  WriteSubjects(writer, "filter_subjects", options.subjects);
  writer.EndObject();
  writer.EndObject();
  SIGNALDB_ASSIGN(const std::string answer,
                  link.Request(fmt::format("$JS.API.CONSUMER.DURABLE.CREATE.{}.{}", options.stream,
                                           options.consumer),
                               body.GetString(), options.request_timeout));
  rapidjson::Document parsed;
  return Parse(answer, parsed);
}

std::string ToJson(const PullRequest& request) {
  std::string json =
      fmt::format(R"({{"batch":{},"expires":{},"idle_heartbeat":{})", request.messages,
                  request.expires.count(), request.heartbeat.count());
  if (request.bytes > 0) json += fmt::format(R"(,"max_bytes":{})", request.bytes);
  return json + "}";
}

std::string PullSubject(const std::string& stream, const std::string& consumer) {
  return fmt::format("$JS.API.CONSUMER.MSG.NEXT.{}.{}", stream, consumer);
}

}  // namespace signaldb
