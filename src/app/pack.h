// The query pack: jobs that a platform brings (docs/queries.md). A user may stop, change or remove them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/settings.h>
#include <meterhub/registry/store.h>
#include <meterhub/rules/thresholds.h>

namespace meterhub::app {

// All that stream.pack may name, in the order of the queries' numbers.
const std::vector<std::string>& pack_names();
// For Setting::check: names the known ones when one is not.
std::string check_pack(const base::SettingValue& value);

// The jobs of these names, with what the language wants as a constant put in from the thresholds of the platform, those of
// no tenant and model in particular. Pure.
std::vector<registry::JobSpec> pack_jobs(const std::vector<std::string>& names, const rules::Thresholds& platform);

// `query` with the literals before its marks, as `300 /*= silence_seconds */`, replaced. Asserts that it knows the marks.
std::string with_thresholds(std::string_view query, const rules::Thresholds& platform);

// What `names` take of a machine when so many meters send every 30 s: measured, docs/performance.md.
struct PackLoad {
  double cores = 0;  // with all that a packet costs before a job sees it
  double bytes = 0;  // what the jobs keep
};
PackLoad pack_load(const std::vector<std::string>& names, std::uint64_t meters);
// A sentence for the operator when that is more than the machine has; else empty. memory_bytes 0: unknown.
std::string pack_warning(const std::vector<std::string>& names, std::uint64_t meters, unsigned cores,
                         std::uint64_t memory_bytes);

}  // namespace meterhub::app
