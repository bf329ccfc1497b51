#include "schedule.h"

#include <array>
#include <random>

#include <fmt/format.h>

namespace meterhub::chaos {
namespace {

using std::chrono::milliseconds;

// How often each fault is drawn, against the others that are asked for.
std::uint32_t weight_of(Fault fault) {
  switch (fault) {
    case Fault::kKill: return 48;
    case Fault::kTerm: return 4;
    case Fault::kStop: return 10;
    case Fault::kLoss5: return 3;
    case Fault::kLoss30: return 5;
    case Fault::kReset: return 10;
    case Fault::kSlowDisk: return 6;
    case Fault::kSyncError: return 6;
    case Fault::kTorn: return 10;
    case Fault::kFullDisk: return 5;
    case Fault::kClock: return 6;
    case Fault::kExpiredToken: return 0;  // goes on all the time
  }
  return 0;
}

class Drawing {
 public:
  explicit Drawing(const SchedulePlan& plan) : plan_(plan), random_(plan.seed * 2 + (plan.form == Form::kBeside ? 1 : 0)) {
    for (const auto fault : plan.faults) {
      const bool has_datagrams = plan.form == Form::kBeside;
      if (!has_datagrams && (fault == Fault::kLoss5 || fault == Fault::kLoss30)) continue;
      for (auto i = weight_of(fault); i > 0; --i) bag_.push_back(fault);
    }
  }

  std::vector<Step> draw() {
    std::vector<Step> out;
    std::uint32_t counted = 0;
    const bool has_kills = plan_.faults.contains(Fault::kKill);
    while (counted < plan_.kills && !bag_.empty()) {
      out.push_back(step());
      const auto& last = out.back();
      if (!has_kills || (last.fault == Fault::kKill && last.target != Target::kGateways)) ++counted;
    }
    return out;
  }

 private:
  // From `from` to `to`, both may come.
  std::uint32_t number(std::uint32_t from, std::uint32_t to) {
    // Not std::uniform_int_distribution, whose numbers depend on the library.
    return from + static_cast<std::uint32_t>(random_() % (std::uint64_t{to} - from + 1));
  }
  milliseconds span(std::uint32_t from, std::uint32_t to) { return milliseconds(number(from, to)); }
  bool chance(std::uint32_t percent) { return number(1, 100) <= percent; }

  Target process() {
    if (plan_.form == Form::kInside) return chance(85) ? Target::kPlatform : Target::kGateways;
    if (chance(12)) return Target::kGateways;
    constexpr std::array kServers{Target::kNs1, Target::kNs2, Target::kNs3};
    return chance(55) ? Target::kPlatform : kServers[number(0, 2)];
  }
  Target speaker() {
    if (plan_.form == Form::kInside || chance(40)) return Target::kPlatform;
    constexpr std::array kServers{Target::kNs1, Target::kNs2, Target::kNs3};
    return kServers[number(0, 2)];
  }
  // Most of the work on disk is the log's; the others would be met too rarely.
  std::string area() {
    constexpr std::array kAreas{"", "store/", "store/", "database.sqlite", "lake/", "blob/"};
    return kAreas[number(0, kAreas.size() - 1)];
  }
  // Of writes or syncs until the one that fails: beside the log few are done.
  std::uint32_t calls(const std::string& where, std::uint32_t most) { return number(1, where.empty() || where == "store/" ? most : 3); }

  Step step() {
    Step out;
    out.fault = bag_[number(0, static_cast<std::uint32_t>(bag_.size() - 1))];
    out.from_ready = chance(70);
    out.pause = out.from_ready ? span(100, 2500) : span(0, 700);
    shape(out);
    return out;
  }

  void shape(Step& out) {
    switch (out.fault) {
      case Fault::kKill:
      case Fault::kTerm:
        out.target = process();
        if (out.fault == Fault::kTerm && out.target == Target::kGateways) out.target = Target::kPlatform;
        out.lasts = chance(80) ? span(0, 200) : span(200, 3000);
        break;
      case Fault::kStop:
        out.target = process();
        out.lasts = chance(85) ? span(50, 2500) : span(2500, 9000);
        break;
      case Fault::kLoss5:
      case Fault::kLoss30:
        out.lasts = span(2000, 15'000);
        break;
      case Fault::kReset:
        out.target = chance(60) ? Target::kGateways : speaker();
        out.count = number(1, 40);
        out.share = chance(50) ? 256 : number(32, 255);
        break;
      case Fault::kSlowDisk:
        out.area = area();
        out.share = number(1, 256);
        out.lasts = span(1000, 8000);
        break;
      case Fault::kSyncError:
        out.area = area();
        out.count = calls(out.area, 12);
        out.lasts = span(3000, 8000);
        break;
      case Fault::kTorn:
        out.area = area();
        out.count = calls(out.area, 40);
        out.share = number(0, 255);
        out.lasts = span(2000, 6000);
        break;
      case Fault::kFullDisk:
        out.area = chance(70) ? "" : area();
        out.count = chance(50) ? number(0, 4096) : number(4096, 1'000'000);
        out.lasts = span(500, 5000);
        break;
      case Fault::kClock:
        out.hours = chance(50) ? 1 : -1;
        out.lasts = span(1000, 8000);
        break;
      case Fault::kExpiredToken: break;
    }
  }

  const SchedulePlan& plan_;
  std::mt19937_64 random_;
  std::vector<Fault> bag_;
};

}  // namespace

std::string_view target_name(Target target) {
  constexpr std::array<std::string_view, 5> kNames{"platform", "ns-1", "ns-2", "ns-3", "gateways"};
  return kNames[static_cast<std::size_t>(target)];
}

std::string Step::text() const {
  std::string out(fault_name(fault));
  const bool on_disk = fault == Fault::kSlowDisk || fault == Fault::kSyncError || fault == Fault::kTorn || fault == Fault::kFullDisk;
  if (on_disk && !area.empty()) out += " " + area;
  if (!on_disk && fault != Fault::kClock && fault != Fault::kLoss5 && fault != Fault::kLoss30) out += " " + std::string(target_name(target));
  if (hours != 0) out += fmt::format(" {:+} h", hours);
  if (count != 0) out += fmt::format(" count {}", count);
  if (share != 0) out += fmt::format(" share {}/256", share);
  return out + fmt::format(" for {} ms", lasts.count());
}

std::vector<Step> make_schedule(const SchedulePlan& plan) { return Drawing(plan).draw(); }

}  // namespace meterhub::chaos
