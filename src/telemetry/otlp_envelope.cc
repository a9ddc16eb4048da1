#include "telemetry/otlp_envelope.h"

#include "telemetry/wire_reader.h"

namespace signaldb {
namespace {

using enum WireType;

constexpr std::string_view kUnknownService = "unknown";

/// For messages without nested ones.
bool IsWellFormedFlat(std::string_view message) {
  WireReader reader(message);
  while (reader.Next()) reader.Skip();
  return reader.ok();
}

/// Walks one request. Fields may come in any order and singular messages in several parts, so that
/// a scope or resource is looked at only when all its parts are there, after its records.
class Envelope {
 public:
  Envelope(RecordDecoder& decoder, DecodeSession& session) : decoder_(decoder), session_(session) {}

  [[nodiscard]] bool Resource(std::string_view message);

 private:
  [[nodiscard]] bool Scope(std::string_view message);
  [[nodiscard]] bool ReadResource(std::string_view message);
  [[nodiscard]] bool ReadScope(std::string_view message);

  /// Takes a resource or a scope apart: both have what their rows share, then what is in them, then
  /// a schema url. `inner` gets each of what is in them, `end` the rest.
  template <typename Inner, typename End>
  [[nodiscard]] bool Walk(std::string_view message, Inner inner, End end);
  /// Gives the rows that are `open` what they share by `end`, or drops them if that was rejected.
  template <typename End>
  [[nodiscard]] bool EndRows(const SharedAttributes& attributes, const DecodeTally::Mark& before,
                             std::size_t (Rows::*open)() const, End end);

  [[nodiscard]] bool AddShared(SharedAttributes& attributes, std::string_view key_value) {
    return attributes.Add(key_value, session_.renderer, session_.tally,
                          session_.options.attributes_max);
  }

  RecordDecoder& decoder_;
  DecodeSession& session_;
  ScopeValues scope_;
  ResourceValues resource_;
};

template <typename Inner, typename End>
bool Envelope::Walk(std::string_view message, Inner inner, End end) {
  const auto before = session_.tally.mark();
  JoinedMessages joined;
  MessageBytes shared;
  std::string_view schema_url;
  WireReader reader(message);
  while (reader.Next()) {
    switch (reader.tag()) {
      case Tag(1, kLength):
        shared.Add(reader.Bytes(), joined);
        break;
      case Tag(2, kLength):
        if (!inner(reader.Bytes())) return false;
        break;
      case Tag(3, kLength):
        schema_url = reader.Bytes();
        break;
      default:
        reader.Skip();
    }
  }
  if (!reader.ok()) return false;
  session_.tally.BeginShared();
  session_.renderer.ForgetJoined();
  return end(shared.view(), schema_url, before);
}

bool Envelope::Resource(std::string_view message) {
  return Walk(
      message, [&](std::string_view scope) { return Scope(scope); },
      [&](std::string_view resource, std::string_view schema_url, const auto& before) {
        resource_.schema_url = schema_url;
        return ReadResource(resource) &&
               EndRows(resource_.attributes, before, &Rows::open_in_resource,
                       [&](Rows& rows) { rows.EndResource(resource_); });
      });
}

bool Envelope::Scope(std::string_view message) {
  return Walk(
      message, [&](std::string_view record) { return decoder_.Decode(record); },
      [&](std::string_view scope, std::string_view schema_url, const auto& before) {
        scope_.schema_url = schema_url;
        return ReadScope(scope) && EndRows(scope_.attributes, before, &Rows::open_in_scope,
                                           [&](Rows& rows) { rows.EndScope(scope_); });
      });
}

template <typename End>
bool Envelope::EndRows(const SharedAttributes& attributes, const DecodeTally::Mark& before,
                       std::size_t (Rows::*open)() const, End end) {
  const Rejection reason = session_.tally.EndShared();
  if (reason == Rejection::kNone) {
    for (Rows* rows : decoder_.tables()) {
      if (!session_.CheckRepeated(attributes.entries().size(), (rows->*open)())) return false;
      end(*rows);
    }
    return true;
  }
  std::size_t dropped = 0;
  for (Rows* rows : decoder_.tables()) {
    const std::size_t rejected = (rows->*open)();
    rows->Truncate(rows->size() - rejected);
    dropped += rejected;
  }
  session_.tally.Drop(static_cast<std::int64_t>(dropped), reason, before);
  return true;
}

bool Envelope::ReadScope(std::string_view message) {
  scope_.attributes.Clear();
  scope_.name = scope_.version = {};
  scope_.dropped_attributes = 0;
  WireReader reader(message);
  while (reader.Next()) {
    switch (reader.tag()) {
      case Tag(1, kLength):
        scope_.name = reader.Bytes();
        break;
      case Tag(2, kLength):
        scope_.version = reader.Bytes();
        break;
      case Tag(3, kLength):
        if (!AddShared(scope_.attributes, reader.Bytes())) return false;
        break;
      case Tag(4, kVarint):
        scope_.dropped_attributes = static_cast<std::uint32_t>(reader.Varint());
        break;
      default:
        reader.Skip();
    }
  }
  session_.CheckUtf8(scope_.name);
  session_.CheckUtf8(scope_.version);
  session_.CheckUtf8(scope_.schema_url);
  return reader.ok() && scope_.attributes.Render(session_.renderer);
}

bool Envelope::ReadResource(std::string_view message) {
  resource_.attributes.Clear();
  resource_.dropped_attributes = 0;
  WireReader reader(message);
  while (reader.Next()) {
    switch (reader.tag()) {
      case Tag(1, kLength):
        if (!AddShared(resource_.attributes, reader.Bytes())) return false;
        break;
      case Tag(2, kVarint):
        resource_.dropped_attributes = static_cast<std::uint32_t>(reader.Varint());
        break;
      case Tag(3, kLength):  // Entity references are not stored, but have to be well-formed.
        if (!IsWellFormedFlat(reader.Bytes())) return false;
        break;
      default:
        reader.Skip();
    }
  }
  session_.CheckUtf8(resource_.schema_url);
  if (!reader.ok() || !resource_.attributes.Render(session_.renderer)) return false;
  resource_.service_name = resource_.attributes.StringOf("service.name");
  if (resource_.service_name.empty()) resource_.service_name = kUnknownService;
  return true;
}

}  // namespace

bool DecodeEnvelope(std::string_view body, RecordDecoder& decoder, DecodeSession& session) {
  Envelope envelope(decoder, session);
  WireReader reader(body);
  while (reader.Next()) {
    if (reader.tag() != Tag(1, kLength)) {
      reader.Skip();
    } else if (!envelope.Resource(reader.Bytes())) {
      return false;
    }
  }
  return reader.ok();
}

}  // namespace signaldb
