#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <protozero/pbf_writer.hpp>

#include "telemetry/json_tree.h"

namespace signaldb {

/// Writes plain JSON values as OTLP AnyValues: scalars, arrays and objects as themselves, and
/// `{"$otlp_type":"bytes","base64":"..."}` as bytes. A number with a point or exponent, or one that
/// 64 bits with a sign cannot hold, is a double.
///
/// Lifetime: borrows the values and the bytes that all writers write to. Threads: confined to one
/// decoder.
class JsonAnyValueWriter {
 public:
  JsonAnyValueWriter(const std::vector<JsonTree::Node>& nodes, const std::string& bytes)
      : nodes_(nodes), bytes_(bytes) {}

  /// The value at `at` as field `tag` of `out`. False if it holds a number that is no number.
  [[nodiscard]] bool Value(std::size_t at, std::uint32_t tag, protozero::pbf_writer& out) const;

  /// The members of the object at `at` as KeyValues: repeated field `tag` of `out`.
  [[nodiscard]] bool Members(std::size_t at, std::uint32_t tag, protozero::pbf_writer& out) const;

 private:
  [[nodiscard]] bool Fields(std::size_t at, protozero::pbf_writer& value) const;
  [[nodiscard]] bool Bytes(std::size_t at, protozero::pbf_writer& value) const;

  const std::vector<JsonTree::Node>& nodes_;
  const std::string& bytes_;
};

/// The value of the object's last member of that name; 0, the root, if there is none.
[[nodiscard]] std::size_t FindMember(const std::vector<JsonTree::Node>& nodes, std::size_t object,
                                     std::string_view name);

}  // namespace signaldb
