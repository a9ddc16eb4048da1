#include "telemetry/json_tree.h"

#include <fmt/format.h>
#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>

namespace signaldb {
namespace {

constexpr unsigned kParseFlags = rapidjson::kParseInsituFlag | rapidjson::kParseIterativeFlag |
                                 rapidjson::kParseNumbersAsStringsFlag;

/// Collects what the reader finds. Returning false stops the reader.
class TreeBuilder {
 public:
  using Kind = JsonTree::Kind;

  explicit TreeBuilder(std::vector<JsonTree::Node>& nodes) : nodes_(nodes) {}

  // The names are those that rapidjson::Reader calls.
  bool Null() { return Leaf(Kind::kNull, {}); }
  bool Bool(bool value) { return Leaf(Kind::kBool, value ? "true" : "false"); }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    return Leaf(Kind::kNumber, {text, size});
  }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    return Leaf(Kind::kString, {text, size});
  }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    return Leaf(Kind::kString, {text, size});
  }
  bool StartObject() { return Open(Kind::kObject); }
  bool EndObject(rapidjson::SizeType) { return Close(); }
  bool StartArray() { return Open(Kind::kArray); }
  bool EndArray(rapidjson::SizeType) { return Close(); }
  // Numbers come as text.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }

 private:
  bool Leaf(Kind kind, std::string_view text) {
    if (depth_ > JsonTree::kDepthMax) return true;  // Inside something that is left out.
    if (nodes_.size() == JsonTree::kNodesMax) return false;
    nodes_.push_back({text, static_cast<std::uint32_t>(nodes_.size() + 1), kind});
    return true;
  }

  bool Open(Kind kind) {
    if (depth_ < JsonTree::kDepthMax) {
      open_.push_back(nodes_.size());
      if (!Leaf(kind, {})) return false;
    } else if (depth_ == JsonTree::kDepthMax && !Leaf(Kind::kNull, {})) {
      return false;
    }
    ++depth_;
    return true;
  }

  bool Close() {
    --depth_;
    if (depth_ >= JsonTree::kDepthMax) return true;
    nodes_[open_.back()].next = static_cast<std::uint32_t>(nodes_.size());
    open_.pop_back();
    return true;
  }

  std::vector<JsonTree::Node>& nodes_;
  std::vector<std::size_t> open_;
  std::size_t depth_ = 0;
};

}  // namespace

Result<JsonTree> JsonTree::Parse(std::string_view text) {
  JsonTree tree;
  // The reader takes a NUL for the end, hence one in the middle would hide what follows it.
  if (text.find('\0') != std::string_view::npos) {
    return Fail(ErrorKind::kInvalid, "request is not JSON: it contains a NUL");
  }
  tree.text_.reserve(text.size() + 1);
  tree.text_.assign(text.begin(), text.end());
  tree.text_.push_back('\0');
  rapidjson::InsituStringStream stream(tree.text_.data());
  rapidjson::Reader reader;
  TreeBuilder builder(tree.nodes_);
  const auto result = reader.Parse<kParseFlags>(stream, builder);
  if (!result.IsError()) return tree;
  if (result.Code() == rapidjson::kParseErrorTermination) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("request has too many JSON values, send smaller batches values_max={}",
                            kNodesMax));
  }
  return Fail(ErrorKind::kInvalid,
              fmt::format("request is not JSON: {} offset={}",
                          rapidjson::GetParseError_En(result.Code()), result.Offset()));
}

}  // namespace signaldb
