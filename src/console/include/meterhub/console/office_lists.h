// What the office knows, as lists of the HTTP API: episodes, buildings, districts; and what people do to episodes
// (docs/reference/http-api.md).
#pragma once

#include <functional>
#include <string>

#include <meterhub/alarm/episodes.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/result.h>
#include <meterhub/console/console.h>
#include <meterhub/fleet/completeness_survey.h>
#include <meterhub/fleet/survey.h>
#include <meterhub/registry/directory.h>
#include <meterhub/tables/database.h>

namespace meterhub::console {

// On the console's thread, but for the database. All of it outlives the console.
struct OfficeView {
  const alarm::Episodes& episodes;
  const registry::Directory& directory;
  const base::Clock& clock;
  tables::Database& database;  // cleared episodes and histories
  // A thread that can wait for the database.
  base::Executor& waiting;
  // The newest figures of buildings and districts.
  std::function<const fleet::Surveyed&()> surveyed;
  // Readings expected and received, today and yesterday.
  std::function<const fleet::Completeness&()> completeness;
  // `act` runs at once; `done` when its effects are on disk.
  using Act = std::move_only_function<base::Result<alarm::Outcome>(alarm::Episodes&)>;
  using Done = std::move_only_function<void(const base::Result<alarm::Outcome>&)>;
  std::function<void(Act act, Done done)> act;
};

// One episode with its place, as lists and events have it.
std::string episode_json(const alarm::Episode& episode, const registry::Directory& directory);

// Adds GET /api/v1/episodes, …/cleared, …/counts, …/{id}, POST /api/v1/episodes/{action}, and
// /api/v1/district-status. Console's thread.
void add_office_lists(Console& console, OfficeView view);

}  // namespace meterhub::console
