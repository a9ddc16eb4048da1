#include "telemetry/any_value.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "telemetry/json_text.h"
#include "telemetry/utf8.h"
#include "telemetry/wire_reader.h"

namespace signaldb {
namespace {

using enum WireType;

/// Nesting that is looked into where a value was overwritten by a later one and only its form
/// matters.
constexpr int kCheckDepthMax = 100;
/// Members of all kvlists that are open at once; a record with more is rejected.
constexpr std::size_t kOpenMembersMax = 65'536;
/// Up to this many keys are compared each with each.
constexpr std::size_t kFewKeys = 16;

enum class Kind : std::uint8_t { kUnset, kString, kBool, kInt, kDouble, kArray, kKvlist, kBytes };

bool IsWellFormedValue(std::string_view value, int depth);

/// The repeated field 1 holds AnyValues if `kind` is an array, else KeyValues.
bool IsWellFormedContainer(std::string_view container, Kind kind, int depth) {
  WireReader reader(container);
  while (reader.Next()) {
    if (reader.tag() != Tag(1, kLength)) {
      reader.Skip();
      continue;
    }
    const auto item = reader.Bytes();
    if (kind == Kind::kArray) {
      if (!IsWellFormedValue(item, depth)) return false;
      continue;
    }
    WireReader pair(item);
    while (pair.Next()) {
      if (pair.tag() != Tag(2, kLength)) {
        pair.Skip();
      } else if (!IsWellFormedValue(pair.Bytes(), depth)) {
        return false;
      }
    }
    if (!pair.ok()) return false;
  }
  return reader.ok();
}

bool IsWellFormedValue(std::string_view value, int depth) {
  if (depth > kCheckDepthMax) return true;
  WireReader reader(value);
  while (reader.Next()) {
    if (reader.tag() == Tag(5, kLength)) {
      if (!IsWellFormedContainer(reader.Bytes(), Kind::kArray, depth + 1)) return false;
    } else if (reader.tag() == Tag(6, kLength)) {
      if (!IsWellFormedContainer(reader.Bytes(), Kind::kKvlist, depth + 1)) return false;
    } else {
      reader.Skip();
    }
  }
  return reader.ok();
}

/// Which entries from `from` on have a later one with the same key; empty if none has.
std::vector<bool> EarlierDuplicates(const std::vector<KeyValueView>& entries, std::size_t from) {
  const std::size_t count = entries.size() - from;
  std::vector<bool> found;
  const auto mark = [&](std::size_t i) {
    if (found.empty()) found.resize(count);
    found[i] = true;
  };
  if (count <= kFewKeys) {
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t later = i + 1; later < count; ++later) {
        if (entries[from + i].key == entries[from + later].key) {
          mark(i);
          break;
        }
      }
    }
    return found;
  }
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return entries[from + i].key; });
  for (std::size_t i = 0; i + 1 < count; ++i) {
    if (entries[from + order[i]].key == entries[from + order[i + 1]].key) mark(order[i]);
  }
  return found;
}

}  // namespace

void MessageBytes::Join(std::string_view part, JoinedMessages& joined) {
  if (joined_ == nullptr) joined_ = &joined.emplace_back(view_);
  joined_->append(part);
  view_ = *joined_;
}

/// An AnyValue's variant: the last one on the wire.
struct AnyValueRenderer::Parsed {
  Kind kind = Kind::kUnset;
  std::string_view text;   // String and bytes.
  MessageBytes container;  // Array and kvlist.
  std::uint64_t bits = 0;  // Bool, int and double.
};

bool AnyValueRenderer::Parse(std::string_view bytes, Parsed& out) {
  WireReader reader(bytes);
  bool string_index = false;
  // Parts of an array that are separated by another variant do not merge: the first is gone.
  const auto become = [&](Kind kind) {
    const bool contained = out.kind == Kind::kArray || out.kind == Kind::kKvlist;
    bool well_formed = true;
    if (contained && out.kind != kind) {
      well_formed = IsWellFormedContainer(out.container.view(), out.kind, 1);
      out.container = {};
    }
    out.kind = kind;
    string_index = false;
    return well_formed;
  };
  while (reader.Next()) {
    bool well_formed = true;
    switch (reader.tag()) {
      case Tag(1, kLength):
        well_formed = become(Kind::kString), out.text = reader.Bytes();
        break;
      case Tag(2, kVarint):
        well_formed = become(Kind::kBool), out.bits = reader.Varint();
        break;
      case Tag(3, kVarint):
        well_formed = become(Kind::kInt), out.bits = reader.Varint();
        break;
      case Tag(4, kFixed64):
        well_formed = become(Kind::kDouble), out.bits = reader.Fixed64();
        break;
      case Tag(5, kLength):
        well_formed = become(Kind::kArray);
        out.container.Add(reader.Bytes(), joined_);
        break;
      case Tag(6, kLength):
        well_formed = become(Kind::kKvlist);
        out.container.Add(reader.Bytes(), joined_);
        break;
      case Tag(7, kLength):
        well_formed = become(Kind::kBytes), out.text = reader.Bytes();
        break;
      case Tag(8, kVarint):  // string_value_strindex means something in profiles only.
        well_formed = become(Kind::kUnset);
        static_cast<void>(reader.Varint());
        string_index = true;
        break;
      default:
        reader.Skip();
    }
    if (!well_formed) return false;
  }
  if (string_index) tally_.Note(Oddity::kStringIndex);
  return reader.ok();
}

void AnyValueRenderer::CheckUtf8(std::string_view text) {
  if (!IsValidUtf8(text)) tally_.Reject(Rejection::kInvalidUtf8);
}

bool AnyValueRenderer::ReadKeyValue(std::string_view bytes, KeyValueView& out) {
  WireReader reader(bytes);
  bool string_index = false;
  while (reader.Next()) {
    switch (reader.tag()) {
      case Tag(1, kLength):
        out.key = reader.Bytes();
        break;
      case Tag(2, kLength):
        out.value.Add(reader.Bytes(), joined_);
        break;
      case Tag(3, kVarint):
        string_index = static_cast<std::uint32_t>(reader.Varint()) != 0;
        break;
      default:
        reader.Skip();
    }
  }
  if (string_index) tally_.Note(Oddity::kStringIndex);
  return reader.ok();
}

AnyValueRenderer::Outcome AnyValueRenderer::AppendPlain(std::string_view value, TextBuffer& out) {
  Parsed parsed;
  if (!Parse(value, parsed)) return Outcome::kMalformed;
  switch (parsed.kind) {
    case Kind::kUnset:
      return Outcome::kNull;
    case Kind::kString:
      CheckUtf8(parsed.text);
      AppendText(out, parsed.text);
      return Outcome::kString;
    case Kind::kDouble:
      AppendDouble(out, std::bit_cast<double>(parsed.bits));
      return Outcome::kText;
    default:
      return AppendStructured(parsed, out, 1) ? Outcome::kText : Outcome::kMalformed;
  }
}

bool AnyValueRenderer::AppendJson(std::string_view value, TextBuffer& out, int depth) {
  if (depth > depth_max_) {
    tally_.Reject(Rejection::kTooDeep);
    return IsWellFormedValue(value, depth);
  }
  Parsed parsed;
  if (!Parse(value, parsed)) return false;
  return AppendStructured(parsed, out, depth);
}

bool AnyValueRenderer::AppendStructured(const Parsed& value, TextBuffer& out, int depth) {
  switch (value.kind) {
    case Kind::kUnset:
      AppendText(out, "null");
      return true;
    case Kind::kString:
      CheckUtf8(value.text);
      AppendJsonString(out, value.text);
      return true;
    case Kind::kBool:
      AppendText(out, value.bits != 0 ? "true" : "false");
      return true;
    case Kind::kInt:
      AppendSigned(out, static_cast<std::int64_t>(value.bits));
      return true;
    case Kind::kDouble:
      AppendJsonDouble(out, std::bit_cast<double>(value.bits));
      return true;
    case Kind::kBytes:
      AppendBytesObject(out, value.text);
      return true;
    case Kind::kArray:
      return AppendArray(value.container.view(), out, depth);
    case Kind::kKvlist:
      return AppendKvlist(value.container.view(), out, depth);
  }
  return false;
}

bool AnyValueRenderer::AppendArray(std::string_view array, TextBuffer& out, int depth) {
  out.Push('[');
  bool first = true;
  WireReader reader(array);
  while (reader.Next()) {
    if (reader.tag() != Tag(1, kLength)) {
      reader.Skip();
      continue;
    }
    if (!first) out.Push(',');
    first = false;
    if (!AppendJson(reader.Bytes(), out, depth + 1)) return false;
  }
  out.Push(']');
  return reader.ok();
}

bool AnyValueRenderer::AppendKvlist(std::string_view kvlist, TextBuffer& out, int depth) {
  const std::size_t from = members_.size();
  WireReader reader(kvlist);
  while (reader.Next()) {
    if (reader.tag() != Tag(1, kLength)) {
      reader.Skip();
      continue;
    }
    const auto member = reader.Bytes();
    if (members_.size() >= kOpenMembersMax) {
      tally_.Reject(Rejection::kTooManyAttributes);
      if (!IsWellFormedKeyValue(member)) return false;
    } else if (!ReadKeyValue(member, members_.emplace_back())) {
      return false;
    }
  }
  if (!reader.ok() || !AppendMembers(members_, from, out, depth)) return false;
  members_.resize(from);
  return true;
}

bool AnyValueRenderer::AppendMembers(std::vector<KeyValueView>& entries, std::size_t from,
                                     TextBuffer& out, int depth) {
  if (!DropDuplicates(entries, from, depth + 1)) return false;
  out.Push('{');
  const std::size_t end = entries.size();
  for (std::size_t i = from; i < end; ++i) {  // By index: rendering a member may move the stack.
    if (i > from) out.Push(',');
    CheckUtf8(entries[i].key);
    AppendJsonString(out, entries[i].key);
    out.Push(':');
    if (!AppendJson(entries[i].value.view(), out, depth + 1)) return false;
  }
  out.Push('}');
  return true;
}

bool AnyValueRenderer::IsWellFormedKeyValue(std::string_view bytes) {
  KeyValueView parts;
  return ReadKeyValue(bytes, parts) && IsWellFormedValue(parts.value.view(), 1);
}

bool AnyValueRenderer::AddToList(std::string_view key_value) {
  if (static_cast<std::int64_t>(list_.size()) >= attributes_max_) {
    tally_.Reject(Rejection::kTooManyAttributes);
    return IsWellFormedKeyValue(key_value);
  }
  return ReadKeyValue(key_value, list_.emplace_back());
}

bool AnyValueRenderer::AppendListAsObject(TextBuffer& out) {
  // Attributes of events, links and exemplars are values at depth 1, as those of records are.
  return AppendMembers(list_, 0, out, 0);
}

bool AnyValueRenderer::DropDuplicates(std::vector<KeyValueView>& entries, std::size_t from,
                                      int depth) {
  const std::vector<bool> dropped = EarlierDuplicates(entries, from);
  if (dropped.empty()) return true;
  std::size_t kept = from;
  for (std::size_t i = 0; i < dropped.size(); ++i) {
    const KeyValueView entry = entries[from + i];
    if (!dropped[i]) {
      entries[kept++] = entry;
      continue;
    }
    tally_.Note(Oddity::kDuplicateAttributeKey);
    CheckUtf8(entry.key);
    discarded_.Truncate(0);  // Rendered for its faults only.
    if (!AppendJson(entry.value.view(), discarded_, depth)) return false;
  }
  entries.resize(kept);
  return true;
}

}  // namespace signaldb
