#include "program.h"

#include <cstdio>
#include <cstdlib>

#include <sys/resource.h>

#include <meterhub/base/logging.h>

#include "ask.h"

namespace meterhub::app {

void configure_logging(const base::Settings& settings) {
  using base::logging::Level;
  const auto& level = settings.text("platform.log_level");
  const auto lowest = level == "debug"  ? Level::kDebug
                      : level == "warn" ? Level::kWarn
                      : level == "error" ? Level::kError
                                         : Level::kInfo;
  const auto json = settings.text("platform.log_format") == "json";
  base::logging::configure(lowest, json ? base::logging::Format::kJson : base::logging::Format::kText);
}

int report(const base::Result<int>& outcome) {
  if (outcome) return *outcome;
  std::fprintf(stderr, "meterhub: %s\n", outcome.error().text.c_str());
  return 1;
}

std::string check_duration(const std::string& text) {
  const auto parsed = base::parse_duration(text);
  return parsed ? std::string() : parsed.error().text;
}

std::string check_span(const std::string& text) {
  const auto parsed = base::parse_duration(text);
  if (!parsed) return parsed.error().text;
  return parsed->count() > 0 ? std::string() : "expected more than nothing";
}

std::string check_interval(const std::string& text) {
  const auto parsed = base::parse_duration(text);
  if (!parsed) return parsed.error().text;
  const bool fits = *parsed >= std::chrono::milliseconds(10) && *parsed <= std::chrono::days(7);
  return fits ? std::string() : "expected 10ms to 7d";
}

std::string check_since(const std::string& text) {
  const auto parsed = since_text(text);
  return parsed ? std::string() : parsed.error().text;
}

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

void end_with_error(const base::Error& error) {
  std::fprintf(stderr, "meterhub: the log can no longer be trusted: %s\n", error.text.c_str());
  std::fflush(stderr);
  std::_Exit(1);
}

}  // namespace meterhub::app
