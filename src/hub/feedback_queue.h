// What became of cloud-to-device messages, until a service has heard of it. Pure; one thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "devicebound_queues.h"

namespace meterhub::hub {

struct Feedback {
  base::Offset number;     // of its record in log `devicebound`
  std::string device;
  std::string message_id;
  Fate fate = Fate::kSuccess;
  base::Timestamp at{};    // when the message ended
};

struct FeedbackLimits {
  std::size_t records_max = 10'000;      // over it the oldest go
  std::size_t batch_max = 64;            // records of one message to the service (Azure's)
  std::uint32_t deliveries_max = 10;     // of one record (Azure's default)
  std::chrono::seconds lock{60};         // a batch without an answer is void after this (Azure's default)
  std::chrono::hours kept{48};           // a record that nobody asks for is dropped after this (Azure's maximum)
};

class FeedbackQueue {
 public:
  explicit FeedbackQueue(const FeedbackLimits& limits = {}) : limits_(limits) {}

  // True when the oldest had to go for it.
  bool add(Feedback record);

  struct Batch {
    DeliveryLock lock;
    std::vector<const Feedback*> records;  // until the next call that changes something
  };
  // The oldest that nobody has, now locked; nothing when there is none.
  std::optional<Batch> take(base::MonotonicTime at);
  // The service has heard of the batch: the numbers that are gone, none when the lock is void.
  std::vector<base::Offset> end(DeliveryLock lock);
  // For the next delivery; the numbers of those that had their last.
  std::vector<base::Offset> give_back(DeliveryLock lock);
  void forget(base::Offset number) { records_.erase(number); }

  // Voids the locks whose time is over; the numbers of those that are too old or had their last delivery, which are
  // gone.
  std::vector<base::Offset> sweep(base::Timestamp now, base::MonotonicTime at);

  std::size_t records() const { return records_.size(); }
  std::optional<base::Offset> oldest() const;

 private:
  struct Held {
    Feedback record;
    std::uint32_t deliveries = 0;
    DeliveryLock lock{};
  };
  struct Locked {
    std::vector<base::Offset> numbers;
    base::MonotonicTime until;
  };

  const FeedbackLimits limits_;
  std::map<base::Offset, Held> records_;
  std::map<DeliveryLock, Locked> locks_;  // in the order in which they end
  std::uint64_t locks_given_ = 0;
};

}  // namespace meterhub::hub
