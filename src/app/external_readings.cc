#include "external_readings.h"

#include <algorithm>

namespace meterhub::app {

ExternalReadings::ExternalReadings(reading::DocumentTopics topics, registry::Directory& directory, base::Executor& executor,
                                   base::Metrics& metrics)
    : directory_(directory), clock_(executor.clock()), documents_(topics, profiles_, metrics) {
  profiles_.load(directory);
  profile_watch_ = directory.on_profile_change(executor, [this] { profiles_.load(directory_); });
}

base::Result<std::unique_ptr<ExternalReadings>> ExternalReadings::create(const log::Log& log, registry::Directory& directory,
                                                                         base::Executor& executor, base::Metrics& metrics) {
  const auto topics = MH_TRY(reading::DocumentTopics::find(log));
  return std::unique_ptr<ExternalReadings>(new ExternalReadings(topics, directory, executor, metrics));
}

// Numbers of documents are microseconds, so that they rise over restarts too: a dead letter is known by its own.
log::Origin ExternalReadings::next_origin() {
  const auto now = clock_.now();
  last_ = std::max(last_ + 1, static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.time_since_epoch().count())));
  return {std::string(reading::kExternalOrigin), base::PartitionId(0), base::Offset(last_), 0, now};
}

void ExternalReadings::append(std::string_view document, log::Appends& out) {
  const auto parsed = documents_.parse(document);
  // Before the view, which holds the directory's lock.
  const auto gateway = parsed.answer.receptions.empty() ? nullptr : directory_.gateway(parsed.answer.receptions.front().gateway);
  const reading::Source source{next_origin(), gateway ? std::string_view(gateway->id) : std::string_view()};
  documents_.append(directory_.view(), parsed, source, out);
}

}  // namespace meterhub::app
