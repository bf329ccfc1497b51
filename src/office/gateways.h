// What is known of every gateway: when it was heard, and how much of what it brings cannot be decrypted.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <meterhub/alarm/episodes.h>
#include <meterhub/base/clock.h>
#include <meterhub/registry/directory.h>

#include "meter_limits.h"

namespace meterhub::office {

// Whether a reason of a dead letter or of noise says that a packet could not be decrypted. `unknown_devaddr` does not:
// it is a neighbour.
bool is_decrypt_failure(std::string_view reason);

// One thread. Bounded by the gateways of the registry: others are forgotten with judge().
class Gateways {
 public:
  void heard(std::string_view gateway, base::Timestamp at);
  void undecrypted(std::string_view gateway, base::Timestamp at, base::Duration window);

  // 0: never.
  base::Timestamp heard_last(std::string_view gateway) const;
  // How many failed in the window that ends at `at`.
  std::uint64_t undecrypted(std::string_view gateway, base::Timestamp at) const;

  // Tells `episodes` of each gateway of the directory that is enabled and was ever heard whether it is silent and
  // whether too much of what it brings fails, as of `complete`. Silence counts from `listening_since` at the earliest.
  void judge(const registry::Directory& directory, const Limits& limits, alarm::Episodes& episodes, base::Timestamp complete,
             base::Timestamp listening_since);

 private:
  // Counts of the newest window, in pieces of a tenth.
  static constexpr std::size_t kPieces = 10;
  struct Failures {
    base::Duration piece{};
    std::int64_t newest = 0;  // number of the newest piece
    std::array<std::uint64_t, kPieces> counts{};
    void move_to(std::int64_t number);
  };
  struct Gateway {
    base::Timestamp heard{};
    Failures failures;
  };

  std::map<std::string, Gateway, std::less<>> gateways_;
  // The gateway of the last call: readings come in runs of one.
  std::string last_id_;
  Gateway* last_ = nullptr;
};

}  // namespace meterhub::office
