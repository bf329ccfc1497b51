#include "operator_api.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include <meterhub/base/encoding.h>
#include <meterhub/base/time_text.h>

#include "replay.h"
#include "trace.h"

namespace meterhub::app {
namespace {

using http::Method;
using http::Request;
using nlohmann::json;

constexpr std::string_view kTrace = "/api/v1/trace";
constexpr std::string_view kLetters = "/api/v1/deadletters";
constexpr std::string_view kRetry = "/api/v1/deadletters/retry";
constexpr std::string_view kReplay = "/api/v1/replay";
constexpr std::string_view kCompact = "/api/v1/lake/compact";
// A body is shown as text or, when it is none, as base64; more of it helps nobody.
constexpr std::size_t kBodyShown = 2048;

base::Result<base::Timestamp> since_of(const Request& request) {
  const auto text = request.query_value("since");
  if (text.empty()) return base::Timestamp{};
  return MH_TRY(base::parse_rfc3339(text)).at;
}

bool is_text(std::string_view body) {
  return std::ranges::all_of(
      body, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f; });
}

json origin_json(const log::Origin& origin) {
  if (origin.log.empty()) return nullptr;
  return {{"log", origin.log},
          {"partition", origin.partition.value},
          {"offset", origin.offset.value},
          {"index", origin.index}};
}

json packet_json(const log::Properties& properties) {
  json out{{"gateway", properties.gateway}, {"origin", origin_json(properties.origin)}};
  if (properties.meter.value != 0) {
    out["session"] = properties.session.value;
    out["generation"] = properties.generation.value;
    out["fcnt"] = properties.fcnt;
  }
  for (const auto& [name, set] : {std::pair{"late", properties.late},
                                  {"stale", properties.stale},
                                  {"redo", properties.redo},
                                  {"undecoded", properties.undecoded},
                                  {"heartbeat", properties.heartbeat}}) {
    if (set) out[name] = true;
  }
  if (!properties.reason.empty()) out["reason"] = properties.reason;
  return out;
}

std::string meter_text(const registry::Directory& directory, base::MeterNumber number) {
  const auto meter = directory.meter(number);
  return meter ? meter->eui.text() : std::string();
}

// Bytes of foreign packets may be no UTF-8: they are replaced, never an exception.
std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace

base::Result<std::unique_ptr<OperatorApi>> OperatorApi::create(OperatorWorld world, base::Executor& executor) {
  std::unique_ptr<OperatorApi> out(new OperatorApi(std::move(world), executor));
  out->letters_ = MH_TRY(Letters::create(out->world_.log, executor));
  return out;
}

void OperatorApi::answer(const Request& request, Done done) {
  if (request.path == kTrace) return done(trace_json(request));
  if (request.path == kLetters) return done(letters_json(request));
  if (request.path == kRetry) return retry(request, std::move(done));
  if (request.path == kReplay) return replay(request, std::move(done));
  if (request.path == kCompact) return compact(std::move(done));
  done(base::fail(base::Errc::kNotFound, "no such resource"));
}

base::Result<std::string> OperatorApi::trace_json(const Request& request) const {
  TraceQuery query;
  query.since = MH_TRY(since_of(request));
  query.gateway = request.query_value("gateway");
  if (const auto text = request.query_value("meter"); !text.empty()) {
    const auto meter = world_.directory.meter(MH_TRY(base::Eui64::parse(text)));
    if (!meter) return base::fail(base::Errc::kNotFound, "no meter " + std::string(text) + " in the registry");
    query.meter = meter->number;
  } else if (query.gateway.empty()) {
    return base::fail(base::Errc::kInvalidArgument, "name a meter or a gateway");
  }
  const auto hops = MH_TRY(trace(world_.log, query));
  if (hops.empty() && !query.gateway.empty() && !world_.directory.gateway(query.gateway)) {
    return base::fail(base::Errc::kNotFound,
                      "no gateway " + query.gateway + " in the registry, and nothing came from it");
  }
  json list = json::array();
  for (const auto& hop : hops) {
    auto one = packet_json(hop.properties);
    one["time"] = base::rfc3339(hop.time);
    one["log"] = hop.log;
    one["partition"] = hop.partition.value;
    one["offset"] = hop.offset.value;
    one["meter"] = meter_text(world_.directory, hop.properties.meter);
    if (hop.properties.gateway.empty()) one["gateway"] = hop.key;
    list.push_back(std::move(one));
  }
  return dump({{"hops", list}, {"truncated", hops.size() == query.hops_max}});
}

base::Result<std::string> OperatorApi::letters_json(const Request& request) const {
  LetterQuery query;
  query.since = MH_TRY(since_of(request));
  query.reason = request.query_value("reason");
  json list = json::array();
  for (const auto& letter : MH_TRY(letters_->list(query))) {
    auto one = packet_json(letter.record.properties);
    one["time"] = base::rfc3339(letter.time);
    one["log"] = letter.log;
    one["partition"] = letter.partition.partition.value;
    one["offset"] = letter.offset.value;
    one["state"] = state_name(letter.state);
    one["meter"] = meter_text(world_.directory, letter.record.properties.meter);
    const auto body = std::string_view(letter.record.body).substr(0, kBodyShown);
    one[is_text(body) ? "body" : "body_base64"] =
        is_text(body) ? std::string(body) : base::base64_encode(base::as_bytes(body));
    list.push_back(std::move(one));
  }
  return dump({{"letters", list}});
}

void OperatorApi::retry(const Request& request, Done done) {
  LetterQuery query;
  query.reason = request.query_value("reason");
  const auto since = since_of(request);
  if (!since) return done(std::unexpected(since.error()));
  query.since = *since;
  if (query.reason.empty()) return done(base::fail(base::Errc::kInvalidArgument, "name a reason"));
  if (!request.query_value("dry_run").empty()) {
    const auto open = letters_->count_open(query);
    if (!open) return done(std::unexpected(open.error()));
    return done(dump({{"would_retry", *open}}));
  }
  letters_->retry(query, [done = std::move(done)](base::Result<std::size_t> count) mutable {
    if (!count) return done(std::unexpected(count.error()));
    done(dump({{"retried", *count}}));
  });
}

void OperatorApi::replay(const Request& request, Done done) {
  auto query = replay_query(request);
  if (!query) return done(std::unexpected(query.error()));
  if (!query->gateway.empty() && !world_.directory.gateway(query->gateway)) {
    return done(base::fail(base::Errc::kNotFound, "no gateway " + query->gateway + " in the registry"));
  }
  const auto next = request.query_value("next");
  auto position =
      next.empty() ? begin_replay(world_.log, *query, world_.log.complete_until()) : ReplayPosition::parse(next);
  if (!position) return done(std::unexpected(position.error()));
  go_on_with_replay(world_.log, executor_, *query, std::move(*position),
                    [done = std::move(done)](base::Result<ReplayStep> step) mutable {
                      if (!step) return done(std::unexpected(step.error()));
                      done(dump({{"messages", step->messages},
                                 {"left", step->left},
                                 {"done", step->done},
                                 {"waits", step->waits},
                                 {"next", step->position.text()}}));
                    });
}

void OperatorApi::compact(Done done) {
  if (!world_.compact) return done(base::fail(base::Errc::kUnavailable, "no archive runs in this process"));
  world_.compact([done = std::move(done)](base::Result<void> compacted) mutable {
    if (!compacted) return done(std::unexpected(compacted.error()));
    done(std::string("{\"compacted\":true}"));
  });
}

void add_routes(http::Server& server, OperatorApi& api, base::Executor& executor) {
  const auto add = [&](Method method, std::string_view path) {
    server.route(method, path, [&api, &executor, alive = api.alive()](const Request& request, http::Reply reply) {
      executor.post([&api, alive, request, reply = std::move(reply)]() mutable {
        if (alive.expired())
          return std::move(reply).send(
              base::Result<http::Response>(base::fail(base::Errc::kUnavailable, "the platform is stopping")));
        api.answer(request, [reply = std::move(reply)](base::Result<std::string> body) mutable {
          if (!body) return std::move(reply).send(http::Response::error(body.error()));
          std::move(reply).send(http::Response::json(200, std::move(*body)));
        });
      });
    });
  };
  add(Method::kGet, kTrace);
  add(Method::kGet, kLetters);
  add(Method::kPost, kRetry);
  add(Method::kPost, kReplay);
  add(Method::kPost, kCompact);
}

}  // namespace meterhub::app
