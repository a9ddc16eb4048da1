#include "adapters/kafka/kafka_source.h"

#include <utility>

#include "adapters/kafka/kafka_configuration.h"
#include "adapters/kafka/kafka_reader.h"

namespace signaldb {

Result<std::unique_ptr<KafkaSource>> KafkaSource::Make(KafkaSourceOptions options, Clock& clock,
                                                       EventListener& events) {
  SIGNALDB_TRY(MakeKafkaConfiguration(options));
  return std::unique_ptr<KafkaSource>(
      new KafkaSource(std::make_unique<KafkaReader>(std::move(options), clock, events)));
}

KafkaSource::KafkaSource(std::unique_ptr<KafkaReader> reader) : reader_(std::move(reader)) {}

KafkaSource::~KafkaSource() = default;

Status KafkaSource::Start(SourceIntake& intake) { return reader_->Start(intake); }

void KafkaSource::StopDelivering() { reader_->StopDelivering(); }

Status KafkaSource::Close(Nanos deadline) { return reader_->Close(deadline); }

std::string KafkaSource::Name() const { return "kafka " + reader_->name(); }

std::string KafkaSource::Trouble() const { return reader_->Trouble(); }

}  // namespace signaldb
