#include "job_api.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include <meterhub/base/logging.h>
#include <meterhub/base/time_text.h>
#include <meterhub/console/caller.h>

#include "pack.h"

namespace meterhub::app {
namespace {

using http::Method;
using http::Request;
using http::Response;
using nlohmann::json;

constexpr std::string_view kJobs = "/api/v1/jobs";
constexpr std::string_view kCheck = "/api/v1/jobs/check";

registry::Actor actor_of(const Request& request) { return console::caller_of(request).actor; }

// Texts of users and events may be no UTF-8: they are replaced, never an exception.
std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

json time_or_null(const std::optional<base::Timestamp>& time) {
  return time ? json(base::rfc3339(*time)) : json(nullptr);
}

double seconds(base::Duration duration) { return std::chrono::duration<double>(duration).count(); }

std::string text_at(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

base::Result<base::Timestamp> start_of(const std::string& text, base::Timestamp now) {
  if (text.empty() || text == "now") return now;
  if (text == "earliest") return base::Timestamp{};
  const auto time = base::parse_rfc3339(text);
  if (!time)
    return base::fail(base::Errc::kInvalidArgument, "start: \"" + text + "\" is neither now, earliest nor a time");
  return time->at;
}

json counters_json(const engine::PipelineCounters& counters) {
  return {{"events", counters.events},
          {"rows", counters.rows},
          {"undecodable", counters.undecodable},
          {"no_time", counters.no_time},
          {"early", counters.early},
          {"late", counters.late},
          {"out_of_order", counters.out_of_order},
          {"data_errors", counters.data_errors},
          {"zero_divisions", counters.zero_divisions}};
}

void put_state(json& out, const std::vector<stream::JobStateSize>& sizes) {
  json list = json::array();
  std::uint64_t bytes = 0;
  for (const auto& size : sizes) {
    list.push_back({{"step", size.step}, {"what", size.what}, {"keys", size.keys}, {"bytes", size.bytes}});
    bytes += size.bytes;
  }
  out["operators"] = std::move(list);
  out["state_bytes"] = bytes;
}

void put_status(json& out, const stream::JobStatus& status) {
  out["running_version"] = status.version;
  out["group"] = status.group;
  out["counters"] = counters_json(status.counters);
  out["read_to"] = time_or_null(status.read_to);
  out["watermark"] = time_or_null(status.watermark);
  put_state(out, status.state);
  out["outputs"] = json::array();
  for (const auto& output : status.outputs)
    out["outputs"].push_back({{"name", output.name}, {"kind", output.kind}, {"rows", output.rows}});
  out["last_error"] = status.last_error;
  out["last_dropped"] = status.last_dropped;
  out["last_dropped_at"] = status.last_dropped.empty() ? json(nullptr) : json(base::rfc3339(status.last_dropped_at));
  out["missed"] = status.missed;
  if (status.gap) {
    out["gap"] = {
        {"partition", status.gap->partition.value}, {"from", status.gap->from.value}, {"to", status.gap->to.value}};
  }
}

std::string_view state_name(const JobReport& report) {
  switch (report.run) {
    case JobRun::kEnding: return "stopping";
    case JobRun::kFailed: return "failed";
    case JobRun::kRunning: break;
  }
  return report.status && report.status->missed > 0 ? "gap" : "running";
}

void put_report(json& out, const JobReport& report) {
  out["state"] = state_name(report);
  out["rates"] = {{"events_per_second", report.events_per_second}, {"rows_per_second", report.rows_per_second}};
  out["lag"] = {{"records", report.behind.records}, {"seconds", seconds(report.behind.age)}};
  out["silent_seconds"] = seconds(report.silent);
  out["last_error"] = "";
  if (report.status) put_status(out, *report.status);
  if (!report.error.empty()) out["last_error"] = report.error;
}

json diagnostics_of(const JobCheck& check) {
  return json::parse(sql::diagnostics_json(check.diagnostics, check.spec.name), nullptr, false)["diagnostics"];
}

Response refused(const JobCheck& check) {
  const json body{{"error",
                   {{"code", base::error_class(base::Errc::kInvalidArgument).name},
                    {"text", check.text()},
                    {"problems", check.problems},
                    {"diagnostics", diagnostics_of(check)}}}};
  return Response::json(400, dump(body));
}

// Who wrote it: `pack`, `changed` by a user, or a `user`'s own.
std::string_view origin_of(const registry::Job& job) {
  if (job.provided) return "pack";
  return std::ranges::find(pack_names(), job.spec.name) != pack_names().end() ? "changed" : "user";
}

Response response_of(base::Result<std::string> body) {
  return body ? Response::json(200, std::move(*body)) : Response::error(body.error());
}

}  // namespace

// What a request asks for, read but not yet checked.
struct JobApi::Wanted {
  registry::Job job;
  std::optional<std::uint64_t> version;  // the one it is to change
};

// A platform that has no room for the job, or cannot write it now, runs without.
void JobApi::provide(const registry::JobSpec& spec, bool anew) {
  auto job = spec;
  if (!anew) job.starts = world_.clock.now();
  const auto old = world_.registry.job(spec.name);
  if (old && old->provided && old->spec.query != spec.query) settle(*old);
  const auto provided = world_.registry.provide_job("platform", job);
  if (!provided) base::logging::warn("pack_job_not_added", {{"job", spec.name}, {"error", provided.error().text}});
}

bool JobApi::unlisted(const registry::Job& job) const {
  return job.provided && listed_ && std::ranges::find(*listed_, job.spec.name) == listed_->end();
}

base::Result<void> JobApi::start_all(const std::vector<registry::JobSpec>& pack) {
  // A job that comes to a platform with a log, by an upgrade or a longer list, does not read a day of it.
  const bool anew = MH_TRY(world_.registry.jobs()).empty();
  listed_.emplace();
  for (const auto& spec : pack) {
    listed_->push_back(spec.name);
    provide(spec, anew);
  }
  auto waiting = MH_TRY(world_.registry.jobs());
  std::erase_if(waiting, [this](const auto& job) { return !job.spec.enabled || unlisted(job); });
  if (world_.set == nullptr) return {};
  // Those whose input is another job's log come behind it; where it is missing, the job says so in the list.
  while (!waiting.empty()) {
    auto ready = std::ranges::find_if(waiting, [&](const auto& job) {
      const auto inputs = read_definition(job, names()).spec.inputs;
      return std::ranges::all_of(inputs,
                                 [&](const auto& input) { return world_.stream.log.topic(input.log).has_value(); });
    });
    if (ready == waiting.end()) ready = waiting.begin();
    run(*ready, [](const base::Result<void>&) {});
    waiting.erase(ready);
  }
  return {};
}

void JobApi::answer(const Request& request, Done done) {
  if (request.path == kCheck && request.method == Method::kPost) return done(check(request));
  if (request.path == kJobs) {
    if (request.method == Method::kPost) return add(request, std::move(done));
    return done(response_of(list()));
  }
  auto rest = request.path.substr(std::min(kJobs.size() + 1, request.path.size()));
  const auto slash = rest.find('/');
  const auto action = slash == std::string::npos ? std::string() : rest.substr(slash + 1);
  answer_one(request, rest.substr(0, slash), action, std::move(done));
}

void JobApi::answer_one(const Request& request, const std::string& name, const std::string& action, Done done) {
  if (action == "start" && request.method == Method::kPost) return enable(request, name, true, std::move(done));
  if (action == "stop" && request.method == Method::kPost) return enable(request, name, false, std::move(done));
  if (!action.empty()) return done(Response::error({base::Errc::kNotFound, "no such resource"}));
  if (request.method == Method::kPut) return change(request, name, std::move(done));
  if (request.method == Method::kDelete) return remove(request, name, std::move(done));
  done(response_of(show(name)));
}

std::string JobApi::job_json(const registry::Job& job, bool whole) const {
  const auto definition = json::parse(job.spec.definition, nullptr, false);
  json out{{"name", job.spec.name},
           {"version", job.version},
           {"origin", origin_of(job)},
           {"state", !job.spec.enabled ? "stopped" : unlisted(job) ? "unlisted" : "enabled"},
           {"tenant", definition.is_object() ? text_at(definition, "tenant") : ""},
           {"starts", job.spec.starts == base::Timestamp{} ? json("earliest") : json(base::rfc3339(job.spec.starts))},
           {"created", base::rfc3339(job.created)},
           {"changed", base::rfc3339(job.changed)}};
  const auto report = world_.set == nullptr ? std::nullopt : world_.set->report(job.spec.name);
  if (report) put_report(out, *report);
  if (whole) {
    out["definition"] = definition;
    out["query"] = job.spec.query;
  }
  return dump(out);
}

base::Result<std::string> JobApi::list() const {
  std::string out = "{\"jobs\":[";
  for (const auto& job : MH_TRY(world_.registry.jobs())) out += (out.ends_with('[') ? "" : ",") + job_json(job, false);
  return out + "]}";
}

base::Result<std::string> JobApi::show(const std::string& name) const {
  return job_json(MH_TRY(world_.registry.job(name)), true);
}

// The body is the definition with `name`, `query` and `start` beside it.
base::Result<JobApi::Wanted> JobApi::wanted(const Request& request, const std::string& name) const {
  if (request.body.size() > registry::kJobDefinitionBytesMax + 2 * registry::kJobQueryBytesMax) {
    return base::fail(base::Errc::kTooLarge, "a job's definition and query are too long");
  }
  auto body = json::parse(request.body, nullptr, false);
  if (!body.is_object()) return base::fail(base::Errc::kInvalidArgument, "the body is not a JSON object");
  Wanted out;
  auto& spec = out.job.spec;
  spec.name = name.empty() ? text_at(body, "name") : name;
  spec.query = text_at(body, "query");
  if (spec.query.size() > registry::kJobQueryBytesMax) {
    return base::fail(base::Errc::kTooLarge,
                      "a job's query has at most " + std::to_string(registry::kJobQueryBytesMax) + " bytes");
  }
  spec.starts = MH_TRY(start_of(text_at(body, "start"), world_.clock.now()));
  if (const auto version = body.find("version"); version != body.end() && version->is_number_unsigned()) {
    out.version = version->get<std::uint64_t>();
  }
  for (const char* key : {"name", "query", "start", "version"}) body.erase(key);
  spec.definition = dump(body);
  return out;
}

Response JobApi::check(const Request& request) const {
  const auto asked = wanted(request, {});
  if (!asked) return Response::error(asked.error());
  const auto jobs = world_.registry.jobs();
  if (!jobs) return Response::error(jobs.error());
  const auto checked = check_job(asked->job, *jobs, names());
  if (!checked.ok()) return refused(checked);
  return Response::json(200, dump({{"ok", true}, {"diagnostics", diagnostics_of(checked)}}));
}

void JobApi::settle(const registry::Job& job) const {
  if (world_.set != nullptr && world_.set->report(job.spec.name)) return;
  const auto settled = stream::settle_outputs(world_.stream, read_definition(job, names()).spec, world_.clock);
  if (!settled) base::logging::warn("job_not_settled", {{"job", job.spec.name}, {"error", settled.error().text}});
}

void JobApi::run(const registry::Job& job, JobSet::Done done) {
  if (world_.set == nullptr) return done({});
  world_.set->run(read_definition(job, names()).spec, std::move(done));
}

void JobApi::end(const std::string& name, JobSet::Done done) {
  if (world_.set == nullptr) return done({});
  world_.set->end(name, std::move(done));
}

void JobApi::answer_with(const std::string& name, const base::Result<void>& result, Done done) const {
  done(result ? response_of(show(name)) : Response::error(result.error()));
}

void JobApi::add(const Request& request, Done done) {
  const auto asked = wanted(request, {});
  if (!asked) return done(Response::error(asked.error()));
  const auto jobs = world_.registry.jobs();
  if (!jobs) return done(Response::error(jobs.error()));
  if (const auto checked = check_job(asked->job, *jobs, names()); !checked.ok()) return done(refused(checked));
  const auto actor = actor_of(request);
  const auto job = world_.registry.add_job(actor, asked->job.spec);
  if (!job) return done(Response::error(job.error()));
  run(*job, [this, name = job->spec.name, actor, done = std::move(done)](const base::Result<void>& started) mutable {
    // What never ran is not kept: the user is there to hear why.
    const auto removed = started ? base::Result<void>() : world_.registry.remove_job(actor, name);
    if (!removed) base::logging::warn("job_not_removed", {{"job", name}, {"error", removed.error().text}});
    if (!started && world_.set != nullptr) world_.set->end(name, [](const base::Result<void>&) {});
    answer_with(name, started, std::move(done));
  });
}

void JobApi::change(const Request& request, const std::string& name, Done done) {
  const auto asked = wanted(request, name);
  if (!asked) return done(Response::error(asked.error()));
  const auto old = world_.registry.job(name);
  if (!old) return done(Response::error(old.error()));
  const auto jobs = world_.registry.jobs();
  if (!jobs) return done(Response::error(jobs.error()));
  auto next = asked->job;
  next.incarnation = old->incarnation;
  auto checked = check_job(next, *jobs, names());
  if (!checked.ok()) return done(refused(checked));
  // Tables and logs must be there before the old version gives its place up.
  if (const auto ready = stream::prepare_outputs(world_.stream, checked.spec, world_.clock); !ready)
    return done(Response::error(ready.error()));
  settle(*old);
  const auto actor = actor_of(request);
  const auto job = world_.registry.change_job(actor, next.spec, asked->version);
  if (!job) return done(Response::error(job.error()));
  if (!job->spec.enabled) return done(response_of(show(name)));
  run(*job, [this, name, actor, before = *old, done = std::move(done)](const base::Result<void>& started) mutable {
    if (started) return done(response_of(show(name)));
    // Back to what ran: a job that is wanted must not stand still over an edit.
    const auto back = world_.registry.change_job(actor, before.spec);
    if (back) run(*back, [](const base::Result<void>&) {});
    done(Response::error(base::Error(started.error().code,
                                     "the new version did not start, the old one goes on: " + started.error().text)));
  });
}

void JobApi::enable(const Request& request, const std::string& name, bool enabled, Done done) {
  const auto old = world_.registry.job(name);
  if (enabled && old && unlisted(*old)) {
    return done(Response::error({base::Errc::kPrecondition,
                                 "job '" + name + "' is of the query pack and not in stream.pack: list it there and "
                                 "start the platform again, or change the job, which makes it your own"}));
  }
  const auto job = world_.registry.set_job_enabled(actor_of(request), name, enabled);
  if (!job) return done(Response::error(job.error()));
  auto answered = [this, name, done = std::move(done)](const base::Result<void>& result) mutable {
    answer_with(name, result, std::move(done));
  };
  if (!enabled) return end(name, std::move(answered));
  const auto report = world_.set == nullptr ? std::nullopt : world_.set->report(name);
  if (report && report->run == JobRun::kRunning) return answered({});
  run(*job, std::move(answered));
}

void JobApi::remove(const Request& request, const std::string& name, Done done) {
  const auto jobs = world_.registry.jobs();
  if (!jobs) return done(Response::error(jobs.error()));
  if (const auto readers = readers_of(name, *jobs, names()); !readers.empty()) {
    return done(
        Response::error({base::Errc::kPrecondition,
                         "job '" + readers.front() + "' reads what it writes: change or remove that one first"}));
  }
  const auto job = world_.registry.job(name);
  if (!job) return done(Response::error(job.error()));
  settle(*job);
  if (const auto removed = world_.registry.remove_job(actor_of(request), name); !removed)
    return done(Response::error(removed.error()));
  end(name, [done = std::move(done)](const base::Result<void>& result) mutable {
    done(result ? Response::json(200, "{\"removed\":true}") : Response::error(result.error()));
  });
}

void add_job_routes(http::Server& server, JobApi& api, base::Executor& executor) {
  const auto add = [&](Method method, const std::string& path) {
    server.route(method, path, [&api, &executor, alive = api.alive()](const Request& request, http::Reply reply) {
      executor.post([&api, alive, request, reply = std::move(reply)]() mutable {
        if (alive.expired())
          return std::move(reply).send(Response::error({base::Errc::kUnavailable, "the platform is stopping"}));
        api.answer(request, [reply = std::move(reply)](Response response) mutable {
          std::move(reply).send(std::move(response));
        });
      });
    });
  };
  const std::string jobs(kJobs);
  add(Method::kGet, jobs);
  add(Method::kPost, jobs);
  add(Method::kPost, std::string(kCheck));
  add(Method::kGet, jobs + "/{name}");
  add(Method::kPut, jobs + "/{name}");
  add(Method::kDelete, jobs + "/{name}");
  add(Method::kPost, jobs + "/{name}/start");
  add(Method::kPost, jobs + "/{name}/stop");
}

}  // namespace meterhub::app
