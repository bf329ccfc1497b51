// Runs seeds until their number or the time is over; says how many an hour that were.
//
//   simulation_seeds [--from S] [--count N] [--seconds T]
//   simulation_seeds --seed S      one run, with what happened when
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include <meterhub/base/logging.h>

#include "seeds.h"
#include "simulated_platform.h"

namespace {

using namespace meterhub;

std::uint64_t number(const std::map<std::string_view, std::string_view>& options, std::string_view name, std::uint64_t otherwise) {
  const auto found = options.find(name);
  return found == options.end() ? otherwise : std::strtoull(std::string(found->second).c_str(), nullptr, 10);
}

bool report(std::uint64_t seed, const simulation::Outcome& outcome) {
  if (outcome.problems.empty()) return true;
  std::printf("seed %llu:\n", static_cast<unsigned long long>(seed));
  for (const auto& problem : outcome.problems) std::printf("  %s\n", problem.c_str());
  std::fflush(stdout);
  return false;
}

int run_one(std::uint64_t seed) {
  base::logging::configure(base::logging::Level::kInfo, base::logging::Format::kText);
  const auto outcome = simulation::run_seed(seed, true);
  std::printf("hash %016llx\n", static_cast<unsigned long long>(outcome.hash));
  return report(seed, outcome) ? 0 : 1;
}

int run_many(std::uint64_t from, std::uint64_t count, std::chrono::seconds limit) {
  const auto begun = std::chrono::steady_clock::now();
  const auto spent = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count(); };
  std::uint64_t done = 0, failed = 0, readings = 0;
  std::set<std::string, std::less<>> died_at;
  for (; done < count && spent() < static_cast<double>(limit.count()); ++done) {
    const auto outcome = simulation::run_seed(from + done);
    failed += report(from + done, outcome) ? 0 : 1;
    readings += outcome.readings;
    died_at.insert(outcome.died_at.begin(), outcome.died_at.end());
  }
  std::printf("%llu seeds from %llu, %llu failed, %llu readings, %.0f seconds, %.0f seeds an hour; died at %zu of %zu commit points\n",
              static_cast<unsigned long long>(done), static_cast<unsigned long long>(from), static_cast<unsigned long long>(failed),
              static_cast<unsigned long long>(readings), spent(), static_cast<double>(done) * 3600 / spent(), died_at.size(),
              simulation::SimulatedPlatform::commit_points().size());
  return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string_view, std::string_view> options;
  for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  if (argc % 2 == 0) {
    std::fputs("usage: simulation_seeds [--from S] [--count N] [--seconds T] | --seed S\n", stderr);
    return 2;
  }
  if (options.contains("--seed")) return run_one(number(options, "--seed", 1));
  return run_many(number(options, "--from", 1), number(options, "--count", UINT64_MAX),
                  std::chrono::seconds(number(options, "--seconds", 1'000'000)));
}
