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

  explicit TreeBuilder(std::vector<JsonTree::Node>& nodes) : x_nodes(nodes) {}

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
    if (x_depth > JsonTree::kDepthMax) return true;  // Inside something that is left out.
    if (x_nodes.size() == JsonTree::kNodesMax) return false;
    x_nodes.push_back({text, static_cast<std::uint32_t>(x_nodes.size() + 1), kind});
    return true;
  }

  bool Open(Kind kind) {
    if (x_depth < JsonTree::kDepthMax) {
      x_open.push_back(x_nodes.size());
      if (!Leaf(kind, {})) return false;
    } else if (x_depth == JsonTree::kDepthMax && !Leaf(Kind::kNull, {})) {
      return false;
    }
    ++x_depth;
    return true;
  }

  bool Close() {
    --x_depth;
    if (x_depth >= JsonTree::kDepthMax) return true;
    x_nodes[x_open.back()].next = static_cast<std::uint32_t>(x_nodes.size());
    x_open.pop_back();
    return true;
  }

  std::vector<JsonTree::Node>& x_nodes;
  std::vector<std::size_t> x_open;
  std::size_t x_depth = 0;
};

}  // namespace

Result<JsonTree> JsonTree::Parse(std::string_view text) {
  JsonTree tree;
  // The reader takes a NUL for the end, hence one in the middle would hide what follows it.
  if (text.find('\0') != std::string_view::npos) {
    return Fail(ErrorKind::kInvalid, "request is not JSON: it contains a NUL");
  }
  tree.x_text.reserve(text.size() + 1);
  tree.x_text.assign(text.begin(), text.end());
  tree.x_text.push_back('\0');
  rapidjson::InsituStringStream stream(tree.x_text.data());
  rapidjson::Reader reader;
  TreeBuilder builder(tree.x_nodes);
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
