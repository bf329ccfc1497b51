// What an operator keeps between events, and how a checkpoint takes it without stopping
// input (stream-sql 10.2): the state lies in parts; at a barrier all parts are pending, and each is
// saved as it was then, either in its turn or at the last moment before an event changes it.
#pragma once

#include <bitset>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace meterhub::engine {

inline constexpr std::uint32_t kStateParts = 64;

// Which part a key lies in; the same for ever.
std::uint32_t part_of_key(std::string_view key);

// One thread.
class OperatorState {
 public:
  // Called with each part as it was at the barrier; an empty part is an empty text.
  using Save = std::function<void(std::uint32_t part, std::string bytes)>;

  virtual ~OperatorState() = default;
  OperatorState() = default;
  OperatorState(const OperatorState&) = delete;
  OperatorState& operator=(const OperatorState&) = delete;

  // The barrier. What was pending of an earlier one is forgotten.
  void begin_save(Save save) {
    save_ = std::move(save);
    pending_.set();
  }
  // Saves one pending part. False: none is left.
  bool save_next();
  // Calls for every part that has bytes, in any order, before the first event. False: foreign bytes.
  virtual bool load_part(std::uint32_t part, std::string_view bytes) = 0;
  // After the last load_part(): what is derived from the parts is made.
  virtual bool loaded() { return true; }

  // For `job list`: keys and bytes, about.
  virtual std::uint64_t keys() const = 0;
  virtual std::uint64_t bytes() const = 0;

 protected:
  virtual std::string save_part(std::uint32_t part) const = 0;
  // Before every change of a part.
  void before_change(std::uint32_t part) {
    if (pending_.any() && pending_[part]) save_now(part);
  }

 private:
  void save_now(std::uint32_t part);

  std::bitset<kStateParts> pending_;
  Save save_;
};

}  // namespace meterhub::engine
