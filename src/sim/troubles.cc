#include "troubles.h"

#include "draw.h"

namespace meterhub::sim {
namespace {

std::uint32_t amount_of(Trouble kind, Draw& draw) {
  switch (kind) {
    case Trouble::kFallsSilent:
    case Trouble::kBackwards: return 5 + draw.below(20);
    case Trouble::kLowBalance: return draw.below(5'000);
    case Trouble::kLeak: return 400 + draw.below(2'000);
    case Trouble::kNeverSends:
    case Trouble::kValveClosed:
    case Trouble::kCaseOpened:
    case Trouble::kFlowSensor: break;
  }
  return 0;
}

}  // namespace

std::optional<MeterTrouble> trouble_of(std::uint64_t seed, std::uint32_t meter, double share) {
  Draw draw(seed, Purpose::kTrouble, meter);
  if (!draw.chance(share)) return std::nullopt;
  const auto kind = static_cast<Trouble>(draw.below(kTroubles));
  return MeterTrouble{kind, amount_of(kind, draw)};
}

}  // namespace meterhub::sim
