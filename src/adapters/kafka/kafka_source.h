#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/kafka/message_parts.h"
#include "base/clock.h"
#include "base/event_listener.h"
#include "base/source_position.h"
#include "signaldb/result.h"
#include "telemetry/source.h"

namespace signaldb {

class KafkaReader;

/// What to do with an offset that the partition does not have.
enum class OutOfRange : std::uint8_t {
  kStop,      ///< The partition stands still, and Trouble says why: a person decides.
  kEarliest,  ///< Goes on at the first offset there is; what is gone is counted and logged.
};

/// How to find and talk to a cluster. Texts are librdkafka's.
struct KafkaConnection {
  std::string brokers;  ///< "host:port,host:port".
  std::string security_protocol = "plaintext";
  std::string ssl_ca_file;  ///< Empty, as the others: librdkafka's own default.
  std::string ssl_cert_file;
  std::string ssl_key_file;
  std::string sasl_mechanism;
  std::string sasl_username;
  std::string sasl_password;
};

struct KafkaSourceOptions {
  std::string name = "kafka";  ///< In logs and metrics.
  KafkaConnection connection;
  std::string group_id;
  std::string group_instance_id;  ///< Static membership; empty: none.
  std::vector<KafkaTopic> topics;
  OutOfRange on_out_of_range = OutOfRange::kStop;
  Nanos session_timeout = std::chrono::seconds(45);
  Nanos max_poll_interval = std::chrono::minutes(5);
  /// The highest position of `key` that a table of the dataset covers; 0 if none does. A position
  /// beyond the end of the partition means that the topic was made anew, and that its messages
  /// would pass for old ones. Errors: kUnavailable (the catalog is away).
  std::function<Result<SourcePosition>(const SourceKey& key, std::string_view tenant,
                                       std::string_view dataset)>
      highest_covered;
};

/// Port `Source` on a Kafka consumer group.
///
/// One thread polls, delivers, and acknowledges; README.md has its loop. Offsets are committed only
/// from what lanes report, so a group's offset is never ahead of the tables.
///
/// Lifetime: borrows clock and listener. Threads: as Source.
class KafkaSource final : public Source {
 public:
  /// Errors: kInvalid (librdkafka was built without what topics may need, or refuses an option;
  /// names it).
  [[nodiscard]] static Result<std::unique_ptr<KafkaSource>> Make(KafkaSourceOptions options,
                                                                 Clock& clock,
                                                                 EventListener& events);
  ~KafkaSource() override;

  [[nodiscard]] Status Start(SourceIntake& intake) override;
  void StopDelivering() override;
  [[nodiscard]] Status Close(Nanos deadline) override;
  [[nodiscard]] std::string Name() const override;
  [[nodiscard]] std::string Trouble() const override;

 private:
  explicit KafkaSource(std::unique_ptr<KafkaReader> reader);

  std::unique_ptr<KafkaReader> reader_;
};

}  // namespace signaldb
