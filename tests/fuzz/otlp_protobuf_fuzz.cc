// OTLP in protobuf: the first byte picks the signal, the rest is the request.

#include "fuzz/fuzz_input.h"
#include "fuzz/fuzz_target.h"
#include "fuzz/otlp_rows.h"
#include "testing/otlp_samples.h"

namespace signaldb::testing {

void RunInput(std::string_view input) {
  FuzzInput in(input);
  const Signal signal = SignalOf(in.TakeByte());
  CheckDecoding(signal, MessageEncoding::kProtobuf, in.rest());
}

std::vector<std::string> SeedInputs() {
  std::vector<std::string> seeds;
  for (const unsigned number : {0U, 1U, 2U}) {
    for (const int records : {1, 12}) {
      const OtlpSampleOptions options{
          .seed = number + 1, .resources = 2, .records = records, .record_attributes = 3};
      seeds.push_back(static_cast<char>(number) + MakeOtlpRequest(SignalOf(number), options));
    }
  }
  return seeds;
}

}  // namespace signaldb::testing
