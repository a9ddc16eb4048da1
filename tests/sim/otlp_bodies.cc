#include "sim/otlp_bodies.h"

#include <cstdint>

#include <protozero/pbf_writer.hpp>

namespace signaldb::testing {

namespace {

// Inside the window that the decoder accepts, whatever the fake clock says.
constexpr std::uint64_t kTime = 1'789'999'000'000'000'000;

// `inner` as the field `tag` of a message of its own: OTLP's envelopes are such wrappers.
std::string Wrap(protozero::pbf_tag_type tag, const std::string& inner) {
  std::string out;
  protozero::pbf_writer(out).add_message(tag, inner);
  return out;
}

}  // namespace

std::string LogsRequest(const std::vector<std::string>& names) {
  std::string scope_logs;
  for (const std::string& name : names) {
    std::string record;
    protozero::pbf_writer writer(record);
    writer.add_fixed64(1, kTime);
    writer.add_message(5, Wrap(1, name));
    protozero::pbf_writer(scope_logs).add_message(2, record);
  }
  return Wrap(1, Wrap(2, scope_logs));
}

std::string GaugesAndSumsRequest(const std::vector<std::string>& names) {
  std::string point;
  protozero::pbf_writer point_writer(point);
  point_writer.add_fixed64(3, kTime);
  point_writer.add_sfixed64(6, 1);
  std::string scope_metrics;
  for (const std::string& name : names) {
    for (const protozero::pbf_tag_type data : {5U, 7U}) {
      std::string metric;
      protozero::pbf_writer writer(metric);
      writer.add_string(1, "test.metric");
      writer.add_string(2, name);
      writer.add_message(data, Wrap(1, point));
      protozero::pbf_writer(scope_metrics).add_message(2, metric);
    }
  }
  return Wrap(1, Wrap(2, scope_metrics));
}

}  // namespace signaldb::testing
