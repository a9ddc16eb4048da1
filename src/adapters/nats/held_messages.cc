#include "adapters/nats/held_messages.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace signaldb {

HeldMessages::Arrival HeldMessages::Add(SourcePosition position, std::string reply, Nanos now) {
  const std::scoped_lock lock(mutex_);
  const auto [found, is_new] = held_.insert_or_assign(position, Held{std::move(reply), now});
  return is_new ? Arrival::kNew : Arrival::kHeldAlready;
}

void HeldMessages::Done(std::span<const SourcePosition> positions) {
  {
    const std::scoped_lock lock(mutex_);
    for (const SourcePosition position : positions) {
      const auto found = held_.find(position);
      if (found == held_.end()) continue;
      acks_.push_back(std::move(found->second.reply));
      held_.erase(found);
    }
  }
  done_.notify_all();
}

std::vector<std::string> HeldMessages::TakeAcks(std::size_t most) {
  const std::scoped_lock lock(mutex_);
  const auto end = acks_.begin() + static_cast<std::ptrdiff_t>(std::min(most, acks_.size()));
  std::vector<std::string> taken(std::make_move_iterator(acks_.begin()),
                                 std::make_move_iterator(end));
  acks_.erase(acks_.begin(), end);
  return taken;
}

void HeldMessages::ReturnAcks(std::vector<std::string> replies) {
  const std::scoped_lock lock(mutex_);
  acks_.insert(acks_.begin(), std::make_move_iterator(replies.begin()),
               std::make_move_iterator(replies.end()));
}

std::vector<std::string> HeldMessages::TakeAging(Nanos now, Nanos age) {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> aging;
  for (auto& [position, held] : held_) {
    if (now - held.mentioned_at < age) continue;
    held.mentioned_at = now;
    aging.push_back(held.reply);
  }
  return aging;
}

std::optional<std::string> HeldMessages::Drop(SourcePosition position) {
  const std::scoped_lock lock(mutex_);
  auto node = held_.extract(position);
  return node.empty() ? std::nullopt : std::optional(std::move(node.mapped().reply));
}

std::vector<std::string> HeldMessages::DropAll() {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> replies;
  for (auto& [position, held] : held_) replies.push_back(std::move(held.reply));
  held_.clear();
  return replies;
}

std::size_t HeldMessages::held() const {
  const std::scoped_lock lock(mutex_);
  return held_.size();
}

std::size_t HeldMessages::acks() const {
  const std::scoped_lock lock(mutex_);
  return acks_.size();
}

void HeldMessages::WaitForAcks(Nanos most, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  done_.wait_for(lock, stop, most, [this] { return !acks_.empty(); });
}

}  // namespace signaldb
