#include "air.h"

#include <algorithm>
#include <array>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <meterhub/base/encoding.h>
#include <meterhub/base/time_text.h>

#include "draw.h"

namespace meterhub::sim {
namespace {

constexpr std::uint32_t kChannelGroups = 12;  // CN470: 96 channels in groups of 8

// 45 % one, 30 % two, 15 % three, 7 % four, 3 % five to eight.
std::uint32_t hearer_count(Draw& draw) {
  const double luck = draw.unit();
  if (luck < 0.45) return 1;
  if (luck < 0.75) return 2;
  if (luck < 0.90) return 3;
  return luck < 0.97 ? 4 : 5 + draw.below(4);
}

// The gateway nearest to a meter: of its building, by floor. In a town of files a building may have none.
std::uint32_t home_gateway(const Town& town, std::uint32_t meter) {
  const auto& m = town.meters[meter];
  const auto of = [](const SimGateway& g) { return g.building; };
  const auto range = std::ranges::equal_range(town.gateways, m.building, {}, of);
  const auto count = static_cast<std::uint32_t>(range.size());
  if (count == 0) return m.building % static_cast<std::uint32_t>(town.gateways.size());
  const auto first = static_cast<std::uint32_t>(range.begin() - town.gateways.begin());
  return first + std::min(count - 1, (m.floor - 1) * count / kFloors);
}

// A meter near its gateway sends fast: 70, 15, 8, 5, 2 % at SF7 to SF11.
int spreading_factor(std::uint64_t seed, std::uint32_t meter) {
  const double luck = Draw(seed, Purpose::kMeter, meter).unit();
  if (luck < 0.70) return 7;
  if (luck < 0.85) return 8;
  if (luck < 0.93) return 9;
  return luck < 0.98 ? 10 : 11;
}

}  // namespace

std::vector<std::uint32_t> hearers(const Town& town, std::uint32_t meter, std::uint64_t number) {
  Draw draw(town.options.seed, Purpose::kAir, meter, number);
  const auto all = static_cast<std::uint32_t>(town.gateways.size());
  const auto count = std::min(hearer_count(draw), all);
  const auto home = home_gateway(town, meter);
  std::vector<std::uint32_t> out{home};
  for (std::uint32_t step = 1; out.size() < count; ++step) {  // home + 1, home - 1, home + 2, …
    const auto away = (step + 1) / 2 % all;
    const auto next = step % 2 == 1 ? (home + away) % all : (home + all - away) % all;
    if (std::ranges::find(out, next) == out.end()) out.push_back(next);
  }
  return out;
}

std::string rxpk_json(const Town& town, const Heard& heard, base::BytesView frame) {
  const auto seed = town.options.seed;
  Draw draw(seed, Purpose::kReception, std::uint64_t{heard.gateway} << 32 | heard.meter, heard.number);
  const auto channel = Draw(seed, Purpose::kAir, heard.meter, heard.number ^ 1).below(8);
  const auto group = town.meters[heard.meter].building % kChannelGroups;
  const double snr = std::max(-9.0, 10.5 - 3.5 * heard.rank - 4 * draw.unit());
  const auto rssi = -62 - static_cast<int>(12 * heard.rank + draw.below(22));
  const auto micros = heard.time.time_since_epoch().count() + heard.gateway * 1'234'567LL;
  std::string json = "{";
  if (town.gateways[heard.gateway].clock == GatewayClock::kGps) {
    json += fmt::format(R"("time":"{}",)", base::rfc3339(base::PreciseTime{heard.gateway_time, 6}));
  }
  json += fmt::format(
      R"("tmst":{},"freq":{:.1f},"chan":{},"rfch":{},"stat":{},"modu":"LORA","datr":"SF{}BW125","codr":"4/5",)"
      R"("rssi":{},"lsnr":{:.1f},"size":{},"data":")",
      static_cast<std::uint32_t>(micros), 470.3 + 0.2 * (8 * group + channel), channel, channel / 4,
      heard.crc_ok ? 1 : -1, spreading_factor(seed, heard.meter), rssi, snr, frame.size());
  base::append_base64(json, frame);
  return json + "\"}";
}

std::string stat_json(base::Timestamp gateway_time, const GatewayTotals& totals) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(gateway_time);
  return fmt::format(
      R"({{"stat":{{"time":"{:%Y-%m-%d %H:%M:%S} GMT","rxnb":{},"rxok":{},"rxfw":{},"ackr":100.0,"dwnb":0,"txnb":0}}}})",
      fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::time_point(seconds))),
      totals.received, totals.crc_ok, totals.forwarded);
}

}  // namespace meterhub::sim
