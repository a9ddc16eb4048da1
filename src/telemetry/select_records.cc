#include "telemetry/select_records.h"

#include <string_view>
#include <vector>

#include "telemetry/otlp_json.h"
#include "telemetry/wire_reader.h"

namespace signaldb {
namespace {

using enum WireType;

void AppendVarint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

void AppendField(std::string& out, std::uint32_t tag, std::string_view bytes) {
  AppendVarint(out, tag);
  AppendVarint(out, bytes.size());
  out += bytes;
}

/// Walks a request as the decoder does (otlp_envelope.cc, metrics_decoder.cc), so that records have
/// the same numbers, and copies what is wanted together with everything around it.
class Selection {
 public:
  Selection(Signal signal, std::span<const std::uint32_t> wanted)
      : signal_(signal), wanted_(wanted) {}

  /// Copies a message whose fields of `tag` hold records, at some depth: those are handed to
  /// `part`, which says whether anything is wanted of them. True if anything was.
  template <typename Part>
  bool Copy(std::string_view message, std::uint32_t tag, std::string& out, Part part) {
    bool any = false;
    std::size_t at = 0;
    WireReader reader(message);
    while (reader.Next()) {
      if (reader.tag() != tag) {
        reader.Skip();
        const std::size_t end = message.size() - reader.left();
        if (reader.ok()) out += message.substr(at, end - at);
        at = end;
        continue;
      }
      const std::string_view bytes = reader.Bytes();
      at = message.size() - reader.left();
      std::string copy;
      if (!reader.ok() || !part(bytes, copy)) continue;
      AppendField(out, tag, copy);
      any = true;
    }
    well_formed_ &= reader.ok();
    return any;
  }

  bool Request(std::string_view body, std::string& out) {
    return Copy(body, Tag(1, kLength), out,
                [this](auto bytes, auto& copy) { return Resource(bytes, copy); });
  }

  [[nodiscard]] bool well_formed() const { return well_formed_; }

 private:
  bool Resource(std::string_view message, std::string& out) {
    return Copy(message, Tag(2, kLength), out,
                [this](auto bytes, auto& copy) { return Scope(bytes, copy); });
  }

  bool Scope(std::string_view message, std::string& out) {
    return Copy(message, Tag(2, kLength), out, [this](auto bytes, auto& copy) {
      return signal_ == Signal::kMetrics ? Metric(bytes, copy) : Record(bytes, copy);
    });
  }

  bool Record(std::string_view bytes, std::string& out) {
    const bool taken = next_ < wanted_.size() && wanted_[next_] == record_;
    if (taken) {
      ++next_;
      out = bytes;
    }
    ++record_;
    return taken;
  }

  /// Of a metric with data of several kinds the last counts, and its parts are one message.
  bool Metric(std::string_view message, std::string& out) {
    std::uint32_t kind = 0;
    std::string data;
    std::size_t at = 0;
    WireReader reader(message);
    while (reader.Next()) {
      const std::uint32_t tag = reader.tag();
      const bool is_data = tag == Tag(5, kLength) || tag == Tag(7, kLength) ||
                           tag == Tag(9, kLength) || tag == Tag(10, kLength) ||
                           tag == Tag(11, kLength);
      if (is_data) {
        if (tag != kind) data.clear();
        kind = tag;
        data += reader.Bytes();
      } else {
        reader.Skip();
      }
      const std::size_t end = message.size() - reader.left();
      if (!is_data && reader.ok()) out += message.substr(at, end - at);
      at = end;
    }
    well_formed_ &= reader.ok();
    std::string points;
    const bool any = Copy(data, Tag(1, kLength), points,
                          [this](auto bytes, auto& copy) { return Record(bytes, copy); });
    if (any) AppendField(out, kind, points);
    return any;
  }

  const Signal signal_;
  const std::span<const std::uint32_t> wanted_;
  std::size_t next_ = 0;
  std::uint32_t record_ = 0;
  bool well_formed_ = true;
};

}  // namespace

Result<std::string> SelectRecords(Signal signal, MessageEncoding encoding,
                                  std::span<const std::byte> body,
                                  std::span<const std::uint32_t> records) {
  std::string_view request(reinterpret_cast<const char*>(body.data()), body.size());
  std::string transcoded;
  if (encoding == MessageEncoding::kArrow)
    return Fail(ErrorKind::kInvalid, "records of an Arrow stream are not taken out one by one");
  if (encoding == MessageEncoding::kJson) {
    SIGNALDB_ASSIGN(transcoded, OtlpJsonToProtobuf(signal, request));
    request = transcoded;
  }
  std::string selected;
  Selection selection(signal, records);
  static_cast<void>(selection.Request(request, selected));
  if (!selection.well_formed()) return Fail(ErrorKind::kInvalid, "not a well-formed OTLP request");
  return selected;
}

}  // namespace signaldb
