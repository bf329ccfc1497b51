// Cloud-to-device messages that wait for their devices: order, locks, deliveries, expiry. Pure; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>

namespace meterhub::hub {

// Of which ends of a message the service wants to hear (application property iothub-ack). The numbers are stored.
enum class Ack : std::uint8_t { kNone = 0, kPositive = 1, kNegative = 2, kFull = 3 };

// How a message ended. The numbers are stored.
enum class Fate : std::uint8_t { kSuccess = 0, kExpired = 1, kDeliveryCountExceeded = 2, kRejected = 3, kPurged = 4 };
inline constexpr std::uint8_t kFates = 5;

// As a feedback record's statusCode spells it.
std::string_view fate_text(Fate fate);
bool wants_feedback(Ack ack, Fate fate);

struct DeviceboundMessage {
  base::Offset number;         // its offset in log `devicebound`: the sequence number that the device is told
  std::string device;
  base::Timestamp enqueued{};
  base::Timestamp expires{};
  Ack ack = Ack::kNone;
  std::string id;              // properties.message-id as text; empty = none
  std::string payload;         // sections properties, application-properties and body, as they were sent

  // What it takes of the limit on all messages: its bytes and about what is kept beside them.
  std::size_t bytes() const { return size_of(device, id, payload.size()); }
  static std::size_t size_of(std::string_view device, std::string_view id, std::size_t payload) {
    return payload + 2 * device.size() + id.size() + 256;
  }
};

// One delivery of a message, never used again. 0 = none.
using DeliveryLock = base::Id<struct DeliveryLockTag, std::uint64_t>;

struct DeviceboundLimits {
  std::uint32_t queue_max = 50;          // messages of one device (Azure's limit)
  std::size_t bytes_max = 64u << 20;     // of all messages of all devices together
  std::uint32_t deliveries_max = 10;     // of one message (Azure's default)
  std::chrono::seconds lock{60};         // a delivery without an answer is void after this (Azure's default)
};

// A message that has ended.
struct EndedMessage {
  base::Offset number;
  std::string device;
  std::string id;
  Ack ack = Ack::kNone;
  Fate fate = Fate::kSuccess;
};

class DeviceboundQueues {
 public:
  enum class Room : std::uint8_t { kGiven, kQueueFull, kMemoryFull };

  explicit DeviceboundQueues(const DeviceboundLimits& limits) : limits_(limits) {}

  // A place for a message that is on its way to the disk: it counts as if it were here until release().
  Room reserve(const std::string& device, std::size_t bytes);
  void release(const std::string& device, std::size_t bytes);
  // A message that is durable. It goes where its number says; one that is here already is left alone.
  void add(DeviceboundMessage message);

  struct Taken {
    const DeviceboundMessage* message = nullptr;  // until the next call that changes something
    DeliveryLock lock;
    std::uint32_t deliveries_before = 0;
  };
  // The first message of the device that nobody has and that is not over, now locked; nothing when there is none.
  std::optional<Taken> take(const std::string& device, base::Timestamp now, base::MonotonicTime at);
  // The device's answer. Nothing when the lock is void: the message is somebody else's by now, or has ended.
  std::optional<EndedMessage> end(DeliveryLock lock, Fate fate);
  // Back in its place in the queue, for the next delivery; ended when it was the last.
  std::optional<EndedMessage> give_back(DeliveryLock lock);
  // Empty when the lock is void.
  std::string device_of(DeliveryLock lock) const;
  // Ends by number what the log says has ended.
  void forget(base::Offset number);

  // Voids locks whose time is over, and ends what has expired and is not under way to its device.
  std::vector<EndedMessage> sweep(base::Timestamp now, base::MonotonicTime at);
  // Ends all of a device, also what is under way.
  std::vector<EndedMessage> purge(const std::string& device);

  std::size_t messages() const { return messages_.size(); }
  std::size_t messages_of(const std::string& device) const;
  std::size_t bytes() const { return bytes_; }
  std::vector<std::string> devices() const;
  // Nothing before it is still here.
  std::optional<base::Offset> oldest() const;

 private:
  struct Held {
    DeviceboundMessage message;
    std::uint32_t deliveries = 0;
    DeliveryLock lock{};  // 0: in the queue
  };
  struct Queue {
    std::set<base::Offset> messages;
    std::uint32_t reserved = 0;
  };
  struct Locked {
    base::Offset number;
    base::MonotonicTime until;
  };
  using Messages = std::map<base::Offset, Held>;

  EndedMessage erase(Messages::iterator at, Fate fate);
  std::optional<EndedMessage> back_in_queue(Held& held);

  const DeviceboundLimits limits_;
  Messages messages_;
  std::unordered_map<std::string, Queue> queues_;  // none is empty
  std::map<DeliveryLock, Locked> locks_;           // in the order in which they end
  std::set<std::pair<base::Timestamp, base::Offset>> expiries_;
  std::size_t bytes_ = 0;  // with what is reserved
  std::uint64_t locks_given_ = 0;
};

}  // namespace meterhub::hub
