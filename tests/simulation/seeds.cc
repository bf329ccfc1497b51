#include "seeds.h"

#include <exception>
#include <fstream>
#include <sstream>

#include <meterhub/base/logging.h>

#include "simulated_platform.h"

namespace meterhub::simulation {

using namespace std::chrono_literals;

Outcome run_seed(std::uint64_t seed, bool verbose) {
  // Dying a hundred times is worth a thousand warnings.
  if (!verbose) base::logging::configure(base::logging::Level::kError, base::logging::Format::kText);
  Outcome out;
  try {
    SimulatedPlatform platform(drawn_options(seed));
    platform.world().verbose = verbose;
    platform.run_with_troubles(15min);
    platform.finish();
    const auto report = platform.verify();
    out.hash = platform.world().hash();
    out.died_at = platform.world().points_died_at();
    out.readings = report.rows;
    out.problems = platform.problems();
    if (!report.clean()) out.problems.push_back(report.text());
    if (report.rows == 0) out.problems.push_back("nothing arrived");
    if (verbose) std::fputs(report.text().c_str(), stdout);
  } catch (const std::exception& error) {
    out.problems.push_back(error.what());
  }
  return out;
}

std::vector<std::uint64_t> regression_seeds() {
  std::ifstream file(std::string(METERHUB_SOURCE_DIR) + "/tests/simulation/regressions");
  std::vector<std::uint64_t> out;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    out.push_back(std::stoull(line));
  }
  return out;
}

}  // namespace meterhub::simulation
