// What is known of every gateway: when it was heard, when it was not, and how much of what it brings cannot be decrypted.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/alarm/episodes.h>
#include <meterhub/base/clock.h>
#include <meterhub/fleet/fleet_state.h>
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

  // When it was not heard for longer than its tenant's silence_gateway, oldest first: of the last two days, and no more
  // than kOutages. One that has not ended ends at `as_of`.
  static constexpr std::size_t kOutages = 64;
  std::vector<fleet::Outage> outages(std::string_view gateway, base::Timestamp as_of) const;
  // How many of its packets could not be decrypted and name no meter, since `from` and before `to`: by hours of UTC, of the
  // last two days.
  std::uint64_t unnamed(std::string_view gateway, base::Timestamp from, base::Timestamp to) const;
  void unnamed_letter(std::string_view gateway, base::Timestamp at);

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
    base::Duration silence = rules::Thresholds{}.silence_gateway;  // as judged last
    std::deque<fleet::Outage> outages;
    Failures failures;
    std::map<std::int64_t, std::uint64_t> unnamed;  // by hour
  };

  std::map<std::string, Gateway, std::less<>> gateways_;
  // The gateway of the last call: readings come in runs of one.
  std::string last_id_;
  Gateway* last_ = nullptr;
};

// The outages of Gateways by the fleet's numbers.
class OutagesByNumber final : public fleet::GatewayOutages {
 public:
  OutagesByNumber(const fleet::FleetState& fleet, const Gateways& gateways) : fleet_(fleet), gateways_(gateways) {}
  std::span<const fleet::Outage> outages(std::uint16_t gateway, base::Timestamp as_of) const override {
    found_ = gateways_.outages(fleet_.gateways().id(gateway), as_of);
    return found_;
  }

 private:
  const fleet::FleetState& fleet_;
  const Gateways& gateways_;
  mutable std::vector<fleet::Outage> found_;
};

}  // namespace meterhub::office
