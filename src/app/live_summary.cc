#include "live_summary.h"

#include <cstdio>

#include <unistd.h>

#include <fmt/format.h>

namespace meterhub::app {
namespace {

constexpr std::chrono::seconds kLinePause{5};

}  // namespace

LiveSummary::LiveSummary(Platform& platform) : platform_(platform), terminal_(::isatty(STDERR_FILENO) == 1) {}

std::string LiveSummary::line() {
  const auto& metrics = platform_.metrics();
  const auto now = platform_.clock().monotonic();
  const auto settled = metrics.total("meterhub_hub_messages_settled_total");
  const double span = std::chrono::duration<double>(now - measured_).count();
  const double rate = measured_ == base::MonotonicTime{} ? 0 : static_cast<double>(settled - settled_then_) / span;
  measured_ = now;
  settled_then_ = settled;
  std::uint64_t behind = 0;
  for (const auto& stage : platform_.lags()) behind += stage.backlog.records;
  const auto alerts = platform_.database().count(tables::kAlertsTable);
  return fmt::format(
      "{:.0f} messages/s, {} settled, {} readings, {} copies held back, {} behind, {} dead letters, {} noise, {} archived, "
      "{} alerts",
      rate, settled, metrics.total("meterhub_stream_readings_total"), metrics.total("meterhub_stream_duplicates_total"),
      behind,
      metrics.total("meterhub_connector_dead_letters_total") + metrics.total("meterhub_stream_dead_letters_total"),
      metrics.total("meterhub_connector_noise_total"), metrics.total("meterhub_history_rows_total"), alerts.value_or(0));
}

void LiveSummary::show() {
  const auto now = platform_.clock().monotonic();
  if (!terminal_ && shown_ != base::MonotonicTime{} && now - shown_ < kLinePause) return;
  shown_ = now;
  // Not fmt::print, which throws when nobody reads any more: a platform goes on.
  std::fputs(fmt::format("{}{}{}", terminal_ ? "\r\x1b[K" : "", line(), terminal_ ? "" : "\n").c_str(), stderr);
  std::fflush(stderr);
  open_line_ = terminal_;
}

void LiveSummary::end() {
  if (open_line_) std::fputs("\n", stderr);
  open_line_ = false;
}

}  // namespace meterhub::app
