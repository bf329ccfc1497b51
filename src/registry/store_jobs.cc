#include <algorithm>

#include <meterhub/registry/store.h>

#include "store_state.h"

namespace meterhub::registry {
namespace {

using base::Errc;

constexpr std::size_t kNameMax = 48;

enum class JobState : std::int64_t { kRemoved = 0, kStopped = 1, kRunning = 2 };

std::int64_t state_of(bool enabled) { return std::to_underlying(enabled ? JobState::kRunning : JobState::kStopped); }

// The name is part of a consumer group, of a log's name and of paths.
bool valid_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameMax && std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
}

base::Result<void> check(const JobSpec& spec) {
  if (!valid_name(spec.name)) {
    return base::fail(Errc::kInvalidArgument,
                      "a job's name has 1 to " + std::to_string(kNameMax) + " letters, digits, '-' and '_'");
  }
  if (spec.query.size() > kJobQueryBytesMax) {
    return base::fail(Errc::kTooLarge, "a job's query has at most " + std::to_string(kJobQueryBytesMax) + " bytes");
  }
  if (spec.definition.size() > kJobDefinitionBytesMax) {
    return base::fail(Errc::kTooLarge,
                      "a job's definition has at most " + std::to_string(kJobDefinitionBytesMax) + " bytes");
  }
  return {};
}

Job job_of(db::Statement& row) {
  Job out;
  out.spec.name = row.text(0);
  out.incarnation = static_cast<std::uint32_t>(row.integer(1));
  out.version = static_cast<std::uint64_t>(row.integer(2));
  out.spec.enabled = row.integer(3) == state_of(true);
  out.spec.definition = row.text(4);
  out.spec.query = row.text(5);
  out.spec.starts = row.time(6);
  out.created = row.time(7);
  out.changed = row.time(8);
  out.provided = row.integer(9) != 0;
  return out;
}

// Of a removed job too: nothing when there never was one.
base::Result<std::optional<Job>> find_job(Store::State& state, std::string_view name, bool removed) {
  auto row = MH_TRY(state.query(
      "SELECT name, incarnation, version, state, definition, query, starts, created, changed, provided FROM jobs WHERE name = ? AND (state > 0) = ?",
      name, std::int64_t{!removed}));
  if (!MH_TRY(row->step())) return std::nullopt;
  return job_of(*row);
}

base::Result<Job> read_job(Store::State& state, std::string_view name) {
  auto found = MH_TRY(find_job(state, name, false));
  if (found) return std::move(*found);
  return base::fail(Errc::kNotFound, "there is no job '" + std::string(name.substr(0, kNameMax)) + "'");
}

base::Result<void> check_room(Store::State& state) {
  auto row = MH_TRY(state.query("SELECT count(*) FROM jobs WHERE state > 0"));
  MH_TRY_VOID(row->step());
  if (static_cast<std::size_t>(row->integer(0)) < kJobsMax) return {};
  return base::fail(Errc::kResourceExhausted,
                    "there are " + std::to_string(kJobsMax) + " jobs, the most there may be: remove one first");
}

base::Result<void> note(Store::State& state, const Actor& actor, std::string_view action, std::string_view name,
                        std::uint64_t version) {
  MH_TRY_VOID(state.note_change(Change::Kind::kJob, 0, 0));
  return state.note_audit(actor, action, name, "version " + std::to_string(version));
}

// The version goes on too, so that one of a later incarnation never equals one before.
base::Result<Job> insert_job(Store::State& state, const Actor& actor, const JobSpec& spec, bool provided) {
  MH_TRY_VOID(check_room(state));
  MH_TRY_VOID(state.run(
      "INSERT INTO jobs(name, incarnation, version, state, definition, query, starts, created, changed, provided) VALUES (?, 1, 1, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT(name) DO UPDATE SET incarnation = incarnation + 1, version = version + 1, state = excluded.state, "
      "definition = excluded.definition, query = excluded.query, starts = excluded.starts, created = excluded.created, "
      "changed = excluded.changed, provided = excluded.provided",
      std::string_view(spec.name), state_of(spec.enabled), std::string_view(spec.definition),
      std::string_view(spec.query), spec.starts, state.clock.now(), state.clock.now(), std::int64_t{provided}));
  auto out = MH_TRY(read_job(state, spec.name));
  MH_TRY_VOID(note(state, actor, "job.add", spec.name, out.version));
  return out;
}

base::Result<void> write_texts(Store::State& state, const Actor& actor, const Job& old, const JobSpec& spec,
                               bool provided) {
  MH_TRY_VOID(state.run(
      "UPDATE jobs SET version = version + 1, definition = ?, query = ?, changed = ?, provided = ? WHERE name = ?",
      std::string_view(spec.definition), std::string_view(spec.query), state.clock.now(), std::int64_t{provided},
      std::string_view(spec.name)));
  return note(state, actor, "job.change", spec.name, old.version + 1);
}

}  // namespace

base::Result<Job> Store::add_job(const Actor& actor, const JobSpec& spec) {
  MH_TRY_VOID(check(spec));
  return edited(*state_, [&]() -> base::Result<Job> {
    if (MH_TRY(find_job(*state_, spec.name, false))) {
      return base::fail(Errc::kAlreadyExists,
                        "there is a job '" + spec.name + "' already: change it, or take another name");
    }
    return insert_job(*state_, actor, spec, false);
  });
}

base::Result<std::optional<Job>> Store::provide_job(const Actor& actor, const JobSpec& spec) {
  MH_TRY_VOID(check(spec));
  return edited(*state_, [&]() -> base::Result<std::optional<Job>> {
    if (MH_TRY(find_job(*state_, spec.name, true))) return std::nullopt;
    auto old = MH_TRY(find_job(*state_, spec.name, false));
    if (!old) return MH_TRY(insert_job(*state_, actor, spec, true));
    const bool same = old->spec.query == spec.query && old->spec.definition == spec.definition;
    if (same == old->provided) return old;  // nothing new, or the user's own
    if (same) {  // a user went back to what the platform brings
      MH_TRY_VOID(state_->run("UPDATE jobs SET provided = 1 WHERE name = ?", std::string_view(spec.name)));
    } else {
      MH_TRY_VOID(write_texts(*state_, actor, *old, spec, true));
    }
    return MH_TRY(find_job(*state_, spec.name, false));
  });
}

base::Result<Job> Store::change_job(const Actor& actor, const JobSpec& spec, std::optional<std::uint64_t> version) {
  MH_TRY_VOID(check(spec));
  return edited(*state_, [&]() -> base::Result<Job> {
    const auto old = MH_TRY(read_job(*state_, spec.name));
    if (version && *version != old.version) {
      return base::fail(Errc::kPrecondition, "job '" + spec.name + "' is at version " + std::to_string(old.version) +
                                                 ": someone else changed it meanwhile");
    }
    MH_TRY_VOID(write_texts(*state_, actor, old, spec, false));
    return read_job(*state_, spec.name);
  });
}

base::Result<Job> Store::set_job_enabled(const Actor& actor, std::string_view name, bool enabled) {
  return edited(*state_, [&]() -> base::Result<Job> {
    auto job = MH_TRY(read_job(*state_, name));
    if (job.spec.enabled == enabled) return job;
    MH_TRY_VOID(state_->run("UPDATE jobs SET state = ? WHERE name = ?", state_of(enabled), name));
    MH_TRY_VOID(note(*state_, actor, enabled ? "job.start" : "job.stop", name, job.version));
    job.spec.enabled = enabled;
    return job;
  });
}

base::Result<void> Store::remove_job(const Actor& actor, std::string_view name) {
  return edited(*state_, [&]() -> base::Result<void> {
    const auto job = MH_TRY(read_job(*state_, name));
    MH_TRY_VOID(state_->run("UPDATE jobs SET state = 0, definition = '', query = '' WHERE name = ?", name));
    return note(*state_, actor, "job.remove", name, job.version);
  });
}

base::Result<Job> Store::job(std::string_view name) const {
  const base::Lock lock(state_->mutex);
  return read_job(*state_, name);
}

base::Result<std::vector<Job>> Store::jobs() const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query(
      "SELECT name, incarnation, version, state, definition, query, starts, created, changed, provided FROM jobs WHERE state > 0 ORDER BY name"));
  std::vector<Job> out;
  while (MH_TRY(row->step())) out.push_back(job_of(*row));
  return out;
}

}  // namespace meterhub::registry
