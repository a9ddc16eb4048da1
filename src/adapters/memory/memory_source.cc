#include "adapters/memory/memory_source.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

namespace signaldb {

namespace {

constexpr Nanos kWaitForRoom = std::chrono::milliseconds(10);

}  // namespace

MemorySource::~MemorySource() {
  StopDelivering();
  lane_.reset();
}

Result<SourcePosition> MemorySource::Push(Message message) {
  const std::scoped_lock lock(mutex_);
  if (kept_.size() >= options_.messages_max) {
    return Fail(ErrorKind::kUnavailable,
                fmt::format("too many messages are not in the tables yet; try again later "
                            "source={} messages_max={}",
                            options_.name, options_.messages_max));
  }
  kept_.push_back({.position = ++last_,
                   .received_at = clock_.WallNow(),
                   .message = std::make_shared<const Message>(std::move(message))});
  changed_.notify_all();
  return last_;
}

std::size_t MemorySource::waiting() const {
  const std::scoped_lock lock(mutex_);
  return kept_.size();
}

Status MemorySource::Start(SourceIntake& intake) {
  SIGNALDB_ASSIGN(lane_, intake.OpenLane({.key = "memory/" + options_.name,
                                          .order = options_.order,
                                          .on_progress = [this](const LaneProgress& progress) {
                                            Acknowledge(progress);
                                            return Status();
                                          }}));
  reader_ = std::jthread([this](const std::stop_token& stop) { Read(stop); });
  return {};
}

void MemorySource::StopDelivering() {
  if (!reader_.joinable()) return;
  reader_.request_stop();
  reader_.join();
}

Status MemorySource::Close(Nanos) {
  StopDelivering();
  lane_.reset();
  return {};
}

std::string MemorySource::Trouble() const {
  const std::scoped_lock lock(mutex_);
  return trouble_;
}

void MemorySource::Read(const std::stop_token& stop) {
  Kept next;
  while (NextAfter(next.position, stop, next)) {
    SourceMessage message{.position = next.position,
                          .signal = next.message->signal,
                          .encoding = next.message->encoding,
                          .received_at = next.received_at,
                          .parts = {},
                          .unfit = {}};
    message.parts.push_back({.tenant = next.message->tenant,
                             .dataset = next.message->dataset,
                             .body = std::as_bytes(std::span(next.message->body)),
                             .owner = next.message});
    while (!stop.stop_requested()) {
      const Status delivered = lane_->Deliver(message);
      {
        const std::scoped_lock lock(mutex_);
        trouble_ = delivered ? "" : delivered.error().message;
      }
      if (delivered) break;
      clock_.SleepFor(kWaitForRoom, stop);
    }
  }
}

bool MemorySource::NextAfter(SourcePosition position, const std::stop_token& stop, Kept& next) {
  std::unique_lock lock(mutex_);
  auto found = kept_.end();
  const bool there = changed_.wait(lock, stop, [&] {
    found = std::ranges::upper_bound(kept_, position, {}, &Kept::position);
    return found != kept_.end();
  });
  if (!there || stop.stop_requested()) return false;
  next = *found;
  return true;
}

void MemorySource::Acknowledge(const LaneProgress& progress) {
  const std::scoped_lock lock(mutex_);
  if (options_.order == LaneOrder::kInOrder) {
    while (!kept_.empty() && kept_.front().position <= progress.through) kept_.pop_front();
    return;
  }
  std::erase_if(kept_, [&](const Kept& one) {
    return std::ranges::find(progress.done, one.position) != progress.done.end();
  });
}

}  // namespace signaldb
