#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>

#include <google/protobuf/message.h>

#include "telemetry/signal.h"

namespace signaldb::testing {

/// How wild random requests are.
struct RandomOtlpOptions {
  bool invalid_utf8 = true;  ///< JSON text cannot say what it would be.
  std::int64_t received_at = 0;
};

/// Makes requests out of nothing but a seed: every field, extremes, ids of odd lengths, duplicate
/// keys, deep values; then writes them in any order, in parts, with unknown fields and in JSON.
class RandomOtlp {
 public:
  RandomOtlp(std::uint64_t seed, RandomOtlpOptions options) : random_(seed), options_(options) {}

  [[nodiscard]] std::unique_ptr<google::protobuf::Message> Request(Signal signal);

  /// The message as bytes that Google's parser would accept but nobody's writer would write.
  [[nodiscard]] std::string Scramble(const google::protobuf::Message& message);

  /// The message by the rules of OTLP/JSON.
  [[nodiscard]] std::string Json(const google::protobuf::Message& message);

  [[nodiscard]] std::uint64_t Below(std::uint64_t n) { return random_() % n; }
  [[nodiscard]] bool OneIn(std::uint64_t n) { return Below(n) == 0; }

 private:
  using Message = google::protobuf::Message;
  using Field = google::protobuf::FieldDescriptor;

  void Fill(Message& message, int depth);
  void FillAnyValue(Message& message, int depth);
  void SetField(Message& message, const Field& field, int depth);
  void SetScalar(Message& message, const Field& field);
  std::string Bytes(const Field& field);
  std::string Text();
  std::string Id(std::size_t size);
  std::uint64_t Time();
  double Real();
  std::uint64_t Bits64();

  std::string ScrambledValue(const Message& message, const Field& field, int index);
  std::string UnknownField();
  std::string Varint(std::uint64_t value);
  std::string Tag(int number, int wire_type);

  std::string JsonValue(const Message& message, const Field& field, int index);
  std::string JsonString(const std::string& text);
  std::string Blank();

  std::mt19937_64 random_;  // Tests only: the service's randomness is base/random.h.
  const RandomOtlpOptions options_;
  int deep_ = 0;
};

}  // namespace signaldb::testing
