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
  Envelope(RecordDecoder& decoder, DecodeSession& session)
      : x_decoder(decoder), x_session(session) {}

  [[nodiscard]] bool Resource(std::string_view message);

 private:
  [[nodiscard]] bool Scope(std::string_view message);
  [[nodiscard]] bool ReadResource(std::string_view message);
  [[nodiscard]] bool ReadScope(std::string_view message);

  [[nodiscard]] bool EndScope(std::string_view message, const DecodeTally::Oddities& before);
  [[nodiscard]] bool EndResource(std::string_view message, const DecodeTally::Oddities& before);

  [[nodiscard]] bool AddShared(SharedAttributes& attributes, std::string_view key_value) {
    return attributes.Add(key_value, x_session.renderer, x_session.tally,
                          x_session.options.attributes_max);
  }

  RecordDecoder& x_decoder;
  DecodeSession& x_session;
  ScopeValues x_scope;
  ResourceValues x_resource;
};

bool Envelope::Resource(std::string_view message) {
  const auto before = x_session.tally.oddities();
  JoinedMessages joined;
  MessageBytes resource;
  std::string_view schema_url;
  WireReader reader(message);
  while (reader.Next()) {
    switch (reader.tag()) {
      case Tag(1, kLength):
        resource.Add(reader.Bytes(), joined);
        break;
      case Tag(2, kLength):
        if (!Scope(reader.Bytes())) return false;
        break;
      case Tag(3, kLength):
        schema_url = reader.Bytes();
        break;
      default:
        reader.Skip();
    }
  }
  x_resource.schema_url = schema_url;
  return reader.ok() && EndResource(resource.view(), before);
}

bool Envelope::Scope(std::string_view message) {
  const auto before = x_session.tally.oddities();
  JoinedMessages joined;
  MessageBytes scope;
  std::string_view schema_url;
  WireReader reader(message);
  while (reader.Next()) {
    switch (reader.tag()) {
      case Tag(1, kLength):
        scope.Add(reader.Bytes(), joined);
        break;
      case Tag(2, kLength):
        if (!x_decoder.Decode(reader.Bytes())) return false;
        break;
      case Tag(3, kLength):
        schema_url = reader.Bytes();
        break;
      default:
        reader.Skip();
    }
  }
  x_scope.schema_url = schema_url;
  return reader.ok() && EndScope(scope.view(), before);
}

bool Envelope::EndScope(std::string_view message, const DecodeTally::Oddities& before) {
  auto& tally = x_session.tally;
  tally.BeginShared();
  x_session.renderer.ForgetJoined();
  if (!ReadScope(message)) return false;
  const Rejection reason = tally.EndShared();
  std::size_t dropped = 0;
  for (Rows* rows : x_decoder.tables()) {
    const std::size_t open = rows->open_in_scope();
    if (reason != Rejection::kNone) {
      rows->Truncate(rows->size() - open);
      dropped += open;
    } else if (x_session.CheckRepeated(x_scope.attributes.entries().size(), open)) {
      rows->EndScope(x_scope);
    } else {
      return false;
    }
  }
  if (reason != Rejection::kNone) tally.Drop(static_cast<std::int64_t>(dropped), reason, before);
  return true;
}

bool Envelope::EndResource(std::string_view message, const DecodeTally::Oddities& before) {
  auto& tally = x_session.tally;
  tally.BeginShared();
  x_session.renderer.ForgetJoined();
  if (!ReadResource(message)) return false;
  const Rejection reason = tally.EndShared();
  std::size_t dropped = 0;
  for (Rows* rows : x_decoder.tables()) {
    const std::size_t open = rows->open_in_resource();
    if (reason != Rejection::kNone) {
      rows->Truncate(rows->size() - open);
      dropped += open;
    } else if (x_session.CheckRepeated(x_resource.attributes.entries().size(), open)) {
      rows->EndResource(x_resource);
    } else {
      return false;
    }
  }
  if (reason != Rejection::kNone) tally.Drop(static_cast<std::int64_t>(dropped), reason, before);
  return true;
}

bool Envelope::ReadScope(std::string_view message) {
  x_scope.attributes.Clear();
  x_scope.name = x_scope.version = {};
  x_scope.dropped_attributes = 0;
  WireReader reader(message);
  while (reader.Next()) {
    switch (reader.tag()) {
      case Tag(1, kLength):
        x_scope.name = reader.Bytes();
        break;
      case Tag(2, kLength):
        x_scope.version = reader.Bytes();
        break;
      case Tag(3, kLength):
        if (!AddShared(x_scope.attributes, reader.Bytes())) return false;
        break;
      case Tag(4, kVarint):
        x_scope.dropped_attributes = static_cast<std::uint32_t>(reader.Varint());
        break;
      default:
        reader.Skip();
    }
  }
  x_session.CheckUtf8(x_scope.name);
  x_session.CheckUtf8(x_scope.version);
  x_session.CheckUtf8(x_scope.schema_url);
  return reader.ok() && x_scope.attributes.Render(x_session.renderer);
}

bool Envelope::ReadResource(std::string_view message) {
  x_resource.attributes.Clear();
  x_resource.dropped_attributes = 0;
  WireReader reader(message);
  while (reader.Next()) {
    switch (reader.tag()) {
      case Tag(1, kLength):
        if (!AddShared(x_resource.attributes, reader.Bytes())) return false;
        break;
      case Tag(2, kVarint):
        x_resource.dropped_attributes = static_cast<std::uint32_t>(reader.Varint());
        break;
      case Tag(3, kLength):  // Entity references are not stored, but have to be well-formed.
        if (!IsWellFormedFlat(reader.Bytes())) return false;
        break;
      default:
        reader.Skip();
    }
  }
  x_session.CheckUtf8(x_resource.schema_url);
  if (!reader.ok() || !x_resource.attributes.Render(x_session.renderer)) return false;
  x_resource.service_name = x_resource.attributes.StringOf("service.name");
  if (x_resource.service_name.empty()) x_resource.service_name = kUnknownService;
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
