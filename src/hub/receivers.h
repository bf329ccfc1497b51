// All readers of events: who reads which partition in which group, and who gives way to whom
// (spec/azure-amqp.md 6.4). Loop thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/amqp/engine.h>
#include <meterhub/log/log.h>

namespace meterhub::hub {

// A reader as the others see it.
class Receiver {
 public:
  virtual ~Receiver() = default;
  // Another has taken its place; it leaves and may be gone when this returns.
  virtual void stolen(std::string_view by) = 0;
};

class Receivers {
 public:
  // Readers of a partition in one group, unless they have an owner level.
  static constexpr std::size_t kPerGroup = 5;

  // `max`: readers all together.
  explicit Receivers(std::size_t max) : max_(max) {}

  struct Place {
    log::TopicPartition partition;
    std::string group;  // lower case
    auto operator<=>(const Place&) const = default;
  };
  struct Newcomer {
    Receiver* receiver;
    std::optional<std::int64_t> epoch{};  // its owner level
    std::string name{};                   // what it calls itself, for people
  };
  struct Refused {
    std::string_view condition;
    std::string text;
  };
  // Lets it in, and tells those that must go; or says why not. Whoever was let in leaves.
  std::optional<Refused> admit(const Place& place, Newcomer newcomer);
  void leave(const Place& place, const Receiver& receiver);
  std::size_t count() const { return count_; }

 private:
  std::map<Place, std::vector<Newcomer>> places_;
  const std::size_t max_;
  std::size_t count_ = 0;
};

}  // namespace meterhub::hub
