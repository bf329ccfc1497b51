#include "faults.h"

#include <algorithm>
#include <array>
#include <utility>

namespace meterhub::chaos {
namespace {

constexpr std::array<std::pair<Fault, std::string_view>, 12> kFaults{{{Fault::kKill, "kill"},
                                                                      {Fault::kTerm, "term"},
                                                                      {Fault::kStop, "stop"},
                                                                      {Fault::kLoss5, "loss5"},
                                                                      {Fault::kLoss30, "loss30"},
                                                                      {Fault::kReset, "reset"},
                                                                      {Fault::kSlowDisk, "slow-disk"},
                                                                      {Fault::kSyncError, "fsync-error"},
                                                                      {Fault::kTorn, "torn"},
                                                                      {Fault::kFullDisk, "full-disk"},
                                                                      {Fault::kClock, "clock"},
                                                                      {Fault::kExpiredToken, "expired-token"}}};

base::Result<Fault> parse_fault(std::string_view name) {
  const auto found = std::ranges::find(kFaults, name, &std::pair<Fault, std::string_view>::second);
  if (found != kFaults.end()) return found->first;
  return base::fail(base::Errc::kInvalidArgument, "no fault \"" + std::string(name) + "\"; there are " + all_fault_names());
}

}  // namespace

std::string_view form_name(Form form) { return form == Form::kInside ? "inside" : "beside"; }

std::string_view fault_name(Fault fault) {
  return std::ranges::find(kFaults, fault, &std::pair<Fault, std::string_view>::first)->second;
}

std::string all_fault_names() {
  std::string out;
  for (const auto& [fault, name] : kFaults) out += (out.empty() ? "" : ",") + std::string(name);
  return out;
}

base::Result<std::set<Fault>> parse_faults(std::string_view text) {
  const auto all = all_fault_names();
  std::string_view rest = text.empty() ? std::string_view(all) : text;
  std::set<Fault> out;
  while (!rest.empty()) {
    const auto end = std::min(rest.find(','), rest.size());
    out.insert(MH_TRY(parse_fault(rest.substr(0, end))));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

}  // namespace meterhub::chaos
