#include "report.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>
#include <meterhub/sql/limits.h>

namespace meterhub::sql {

void Report::add(Severity severity, Span span, std::string_view code, std::string message, std::string expected,
                 std::string suggestion) {
  failed_ = failed_ || severity == Severity::kError;
  const auto same = [&](const Diagnostic& d) { return d.span == span && d.message == message; };
  if (std::ranges::any_of(diagnostics_, same)) return;  // an alias is bound once for each use
  if (diagnostics_.size() >= kDiagnosticsMax && severity != Severity::kError) return;
  if (diagnostics_.size() >= kDiagnosticsMax) {
    ++dropped_;
    return;
  }
  diagnostics_.push_back(Diagnostic{severity, std::string(code), span, place_of(text_, span), std::move(message),
                                    std::move(expected), std::move(suggestion)});
}

std::vector<Diagnostic> Report::take() {
  std::ranges::stable_sort(diagnostics_, {}, [](const Diagnostic& d) { return std::pair(d.span.begin, d.span.end); });
  if (dropped_ > 0) {
    const Span end{static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(text_.size())};
    diagnostics_.push_back(Diagnostic{Severity::kError, "too_many_errors", end, place_of(text_, end),
                                      fmt::format("{} more errors are not shown", dropped_), {}, {}});
  }
  return std::exchange(diagnostics_, {});
}

}  // namespace meterhub::sql
