#include <meterhub/sim/load_source.h>

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include <meterhub/base/assert.h>
#include <meterhub/base/encoding.h>
#include <meterhub/base/time_text.h>
#include <meterhub/meter/reading.h>

#include "draw.h"
#include "load_frames.h"

namespace meterhub::sim {
namespace {

constexpr std::uint64_t kSeed = 0x10AD;
constexpr std::size_t kBodyLength = 256;  // about; saves growing

// Fields of fixed width, so that a body is the template with a few bytes put over it.
constexpr std::string_view kTime = "0000-00-00T00:00:00.000000Z";
constexpr std::string_view kTmst = "0000000000";
constexpr std::size_t kTimeAt = std::string_view(R"({"rxpk":[{"time":")").size();
constexpr std::size_t kTmstAt = kTimeAt + kTime.size() + std::string_view(R"(","tmst":)").size();

std::string template_of(std::uint32_t gateway) {
  const auto chan = gateway % 8;
  const auto freq = 470.3 + 0.2 * (gateway % 96);
  return fmt::format(R"({{"rxpk":[{{"time":"{}","tmst":{},"freq":{:.1f},"chan":{},"rfch":{},"stat":1,"modu":"LORA",)"
                     R"("datr":"SF7BW125","codr":"4/5","rssi":-)",
                     kTime, kTmst, freq, chan, chan / 4);
}

std::array<std::uint8_t, kLoadPayload> payload_of(const LoadFigures& figures) {
  meter::MeterState state;
  state.bought_litres = figures.bought;
  state.left_litres = figures.left;
  state.used_litres = figures.used;
  return meter::encode_v1(state);
}

}  // namespace

LoadSource::LoadSource(const LoadTown& town, std::uint32_t first_fcnt, double copies)
    : town_(town), first_fcnt_(first_fcnt), copies_(town.gateways() > 1 ? copies : 0), next_fcnt_(first_fcnt),
      order_(town.meters()), gateways_(town.gateways()) {
  std::iota(order_.begin(), order_.end(), 0U);
  Draw draw(kSeed, Purpose::kAir);
  for (std::uint32_t g = 0; g < town_.gateways(); ++g) {
    gateways_[g].body = template_of(g);
    const auto first = town_.first_meter(g);
    for (auto last = town_.first_meter(g + 1) - 1; last > first; --last) {  // Fisher and Yates
      std::swap(order_[last], order_[first + draw.below(last - first + 1)]);
    }
  }
}

LoadIdentity LoadSource::next_identity(std::uint32_t gateway) {
  const auto first = town_.first_meter(gateway);
  const auto meters = town_.first_meter(gateway + 1) - first;
  const auto turn = gateways_[gateway].next++;
  const LoadIdentity out{order_[first + turn % meters], first_fcnt_ + static_cast<std::uint32_t>(turn / meters)};
  next_fcnt_ = std::max(next_fcnt_, out.fcnt + 1);
  return out;
}

void LoadSource::plan(std::uint32_t gateway, std::uint32_t messages) {
  auto& copies = gateways_[gateway].copies;
  for (std::uint32_t i = 0; i < messages; ++i) {
    auto& planned = planned_.emplace_back();
    planned.gateway = gateway;
    planned.copy = !copies.empty();
    if (planned.copy) {
      planned.air = copies.front();
      copies.pop_front();
    } else {
      planned.identity = next_identity(gateway);
      planned.air.packet = packet_number(planned.identity);
    }
  }
}

void LoadSource::make_new_frames() {
  std::vector<FrameJob> jobs;
  jobs.reserve(planned_.size());
  for (auto& planned : planned_) {
    if (planned.copy) continue;
    const auto [meter, fcnt] = planned.identity;
    jobs.push_back({town_.meter(meter), fcnt, payload_of(town_.figures(meter, fcnt)), &planned.air.frame});
  }
  make_frames(jobs);
}

// Some packets are heard by the next gateway as well.
void LoadSource::share(const Planned& planned) {
  if (planned.copy || !Draw(kSeed, Purpose::kReception, planned.air.packet).chance(copies_)) return;
  gateways_[(planned.gateway + 1) % gateways_.size()].copies.push_back(planned.air);
}

std::string LoadSource::body_of(const Planned& planned, std::string_view time, std::uint64_t micros) const {
  std::string out;
  out.reserve(kBodyLength);
  out = gateways_[planned.gateway].body;
  std::ranges::copy(time, out.begin() + kTimeAt);
  auto ticks = 1'000'000'000 + (micros + planned.gateway * 1'234'567ULL) % 3'000'000'000;
  for (std::size_t i = kTmst.size(); i-- > 0; ticks /= 10) out[kTmstAt + i] = static_cast<char>('0' + ticks % 10);
  Draw draw(kSeed, Purpose::kNoise, planned.air.packet, planned.gateway);
  const auto radio = draw.below(4'000);
  const auto digit = [](std::uint32_t value) { return static_cast<char>('0' + value % 10); };
  out += digit(6 + radio / 1'000);
  out += digit(radio / 100);
  out += R"(,"lsnr":)";
  out += digit(radio / 10);
  out += '.';
  out += digit(radio);
  out += R"(,"size":33,"data":")";
  base::append_base64(out, planned.air.frame);
  out += R"("}]})";
  return out;
}

std::vector<LoadMessage> LoadSource::encode(base::Timestamp now) {
  make_new_frames();
  const auto time = base::rfc3339(base::PreciseTime{now, 6});
  MH_ASSERT(time.size() == kTime.size());
  const auto micros = static_cast<std::uint64_t>(now.time_since_epoch().count());
  std::vector<LoadMessage> out;
  out.reserve(planned_.size());
  for (const auto& planned : planned_) {
    out.push_back({planned.gateway, planned.air.packet, planned.copy, body_of(planned, time, micros)});
    share(planned);
  }
  planned_.clear();
  return out;
}

}  // namespace meterhub::sim
