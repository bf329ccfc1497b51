// What commands that run a platform share.
#pragma once

#include <cstdint>
#include <string>

#include <meterhub/base/result.h>
#include <meterhub/base/settings.h>

namespace meterhub::app {

void configure_logging(const base::Settings& settings);

// Exit code of a command: its value, or 1 with the error on stderr.
int report(const base::Result<int>& outcome);

// For CLI::Option::check: empty, or why the text is no duration or, with times, no time either.
std::string check_duration(const std::string& text);
std::string check_span(const std::string& text);      // how long something runs: more than nothing
std::string check_interval(const std::string& text);  // between two packets of a simulated meter
std::string check_since(const std::string& text);

// From now on this process may have as many descriptors as the system allows at all: a shell gives 1,024. How many.
std::uint64_t raise_descriptor_limit();

// What was settled may not be durable: says so and ends the process at once, with code 1 and
// without a drain, which could settle more.
[[noreturn]] void end_with_error(const base::Error& error);

}  // namespace meterhub::app
