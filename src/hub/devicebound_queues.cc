#include "devicebound_queues.h"

#include <array>
#include <utility>

#include <meterhub/base/assert.h>

namespace meterhub::hub {

std::string_view fate_text(Fate fate) {
  static constexpr std::array<std::string_view, kFates> kTexts{"Success", "Expired", "DeliveryCountExceeded",
                                                               "Rejected", "Purged"};
  return kTexts[static_cast<std::size_t>(fate)];
}

bool wants_feedback(Ack ack, Fate fate) {
  const auto wanted = fate == Fate::kSuccess ? Ack::kPositive : Ack::kNegative;
  return (static_cast<std::uint8_t>(ack) & static_cast<std::uint8_t>(wanted)) != 0;
}

DeviceboundQueues::Room DeviceboundQueues::reserve(const std::string& device, std::size_t bytes) {
  if (bytes_ + bytes > limits_.bytes_max) return Room::kMemoryFull;
  const auto queue = queues_.find(device);
  if (queue != queues_.end() && queue->second.messages.size() + queue->second.reserved >= limits_.queue_max)
    return Room::kQueueFull;
  bytes_ += bytes;
  ++queues_[device].reserved;
  return Room::kGiven;
}

void DeviceboundQueues::release(const std::string& device, std::size_t bytes) {
  const auto queue = queues_.find(device);
  MH_ASSERT(queue != queues_.end() && queue->second.reserved > 0);
  bytes_ -= bytes;
  --queue->second.reserved;
  if (queue->second.reserved == 0 && queue->second.messages.empty()) queues_.erase(queue);
}

void DeviceboundQueues::add(DeviceboundMessage message) {
  const auto number = message.number;
  const auto expires = message.expires;
  const auto bytes = message.bytes();
  auto device = message.device;
  const auto [at, added] = messages_.try_emplace(number, Held{std::move(message), 0, {}});
  if (!added) return;
  queues_[std::move(device)].messages.insert(number);
  expiries_.emplace(expires, number);
  bytes_ += bytes;
}

std::optional<DeviceboundQueues::Taken> DeviceboundQueues::take(const std::string& device, base::Timestamp now,
                                                                base::MonotonicTime at) {
  const auto queue = queues_.find(device);
  if (queue == queues_.end()) return std::nullopt;
  for (const auto number : queue->second.messages) {
    auto& held = messages_.at(number);
    if (held.lock.value != 0 || held.message.expires <= now) continue;
    held.lock = DeliveryLock(++locks_given_);
    locks_.emplace_hint(locks_.end(), held.lock, Locked{number, at + limits_.lock});
    return Taken{&held.message, held.lock, held.deliveries++};
  }
  return std::nullopt;
}

std::optional<EndedMessage> DeviceboundQueues::end(DeliveryLock lock, Fate fate) {
  const auto found = locks_.find(lock);
  if (found == locks_.end()) return std::nullopt;
  return erase(messages_.find(found->second.number), fate);
}

std::optional<EndedMessage> DeviceboundQueues::give_back(DeliveryLock lock) {
  const auto found = locks_.find(lock);
  if (found == locks_.end()) return std::nullopt;
  return back_in_queue(messages_.at(found->second.number));
}

std::optional<EndedMessage> DeviceboundQueues::back_in_queue(Held& held) {
  if (held.deliveries >= limits_.deliveries_max)
    return erase(messages_.find(held.message.number), Fate::kDeliveryCountExceeded);
  locks_.erase(std::exchange(held.lock, {}));
  return std::nullopt;
}

std::string DeviceboundQueues::device_of(DeliveryLock lock) const {
  const auto found = locks_.find(lock);
  return found == locks_.end() ? std::string() : messages_.at(found->second.number).message.device;
}

void DeviceboundQueues::forget(base::Offset number) {
  if (const auto at = messages_.find(number); at != messages_.end()) erase(at, Fate::kSuccess);
}

EndedMessage DeviceboundQueues::erase(Messages::iterator at, Fate fate) {
  auto& message = at->second.message;
  const auto queue = queues_.find(message.device);
  queue->second.messages.erase(message.number);
  if (queue->second.reserved == 0 && queue->second.messages.empty()) queues_.erase(queue);
  expiries_.erase({message.expires, message.number});
  locks_.erase(at->second.lock);
  bytes_ -= message.bytes();
  EndedMessage out{message.number, std::move(message.device), std::move(message.id), message.ack, fate};
  messages_.erase(at);
  return out;
}

std::vector<EndedMessage> DeviceboundQueues::sweep(base::Timestamp now, base::MonotonicTime at) {
  std::vector<EndedMessage> out;
  while (!locks_.empty() && locks_.begin()->second.until <= at) {
    auto ended = give_back(locks_.begin()->first);
    if (ended) out.push_back(std::move(*ended));
  }
  for (auto it = expiries_.begin(); it != expiries_.end() && it->first <= now;) {
    const auto message = messages_.find((it++)->second);  // the call takes it out of the set
    if (message->second.lock.value == 0) out.push_back(erase(message, Fate::kExpired));
  }
  return out;
}

std::vector<EndedMessage> DeviceboundQueues::purge(const std::string& device) {
  std::vector<EndedMessage> out;
  const auto queue = queues_.find(device);
  if (queue == queues_.end()) return out;
  const auto numbers = queue->second.messages;  // the calls change the set, and may take the queue away
  for (const auto number : numbers) out.push_back(erase(messages_.find(number), Fate::kPurged));
  return out;
}

std::size_t DeviceboundQueues::messages_of(const std::string& device) const {
  const auto queue = queues_.find(device);
  return queue == queues_.end() ? 0 : queue->second.messages.size();
}

std::vector<std::string> DeviceboundQueues::devices() const {
  std::vector<std::string> out;
  for (const auto& [device, queue] : queues_) out.push_back(device);
  return out;
}

std::optional<base::Offset> DeviceboundQueues::oldest() const {
  return messages_.empty() ? std::nullopt : std::optional(messages_.begin()->first);
}

}  // namespace meterhub::hub
