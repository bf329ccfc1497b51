#include "notify_api.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/encoding.h>
#include <meterhub/base/logging.h>
#include <meterhub/console/caller.h>
#include <meterhub/base/time_text.h>
#include <meterhub/crypto/secret.h>
#include <meterhub/notify/message.h>
#include <meterhub/notify/notice.h>
#include <meterhub/notify/parcel.h>

namespace meterhub::app {
namespace {

using base::Errc;
using http::Method;
using http::Request;
using http::Response;
using nlohmann::json;
using std::chrono::minutes;

constexpr std::string_view kChannels = "/api/v1/notify/channels";
constexpr std::string_view kRoutes = "/api/v1/notify/routes";
constexpr std::size_t kBodyMax = 64 * 1024;
constexpr std::array<std::string_view, 11> kChannelMembers{"name", "kind",   "tenant", "language", "enabled", "to",
                                                           "from", "server", "user",   "url",      "secret"};
constexpr std::array<std::string_view, 7> kRouteMembers{
    "channel", "tenant", "rules", "severity", "on", "quiet", "escalate_after_minutes"};

// Who asked, for the audit log: over the socket it is somebody with a shell.
registry::Actor actor_of(const Request& request) { return console::caller_of(request).actor; }

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::unexpected<base::Error> wrong(std::string text) { return base::fail(Errc::kInvalidArgument, std::move(text)); }

Response response_of(base::Result<std::string> body) {
  return body ? Response::json(200, std::move(*body)) : Response::error(body.error());
}

// One member of a body, into `out` where it is there.
base::Result<void> take(const json& body, const char* key, std::string& out) {
  const auto found = body.find(key);
  if (found == body.end()) return {};
  if (!found->is_string()) return wrong(std::string(key) + ": expected a text");
  out = found->get<std::string>();
  return {};
}

base::Result<void> take(const json& body, const char* key, std::optional<std::string>& out) {
  if (!body.contains(key)) return {};
  return take(body, key, out.emplace());
}

base::Result<void> take(const json& body, const char* key, bool& out) {
  const auto found = body.find(key);
  if (found == body.end()) return {};
  if (!found->is_boolean()) return wrong(std::string(key) + ": expected true or false");
  out = found->get<bool>();
  return {};
}

base::Result<void> take(const json& body, const char* key, std::vector<std::string>& out) {
  const auto found = body.find(key);
  if (found == body.end()) return {};
  if (!found->is_array() || !std::ranges::all_of(*found, [](const json& one) { return one.is_string(); })) {
    return wrong(std::string(key) + ": expected a list of texts");
  }
  out = found->get<std::vector<std::string>>();
  return {};
}

base::Result<json> object_of(const std::string& text, std::span<const std::string_view> known) {
  if (text.size() > kBodyMax) return base::fail(Errc::kTooLarge, "the body is too long");
  auto body = json::parse(text, nullptr, false);
  if (!body.is_object()) return wrong("the body is not a JSON object");
  for (const auto& [key, value] : body.items()) {
    if (std::ranges::find(known, key) == known.end()) return wrong("there is no member \"" + key.substr(0, 40) + "\"");
  }
  return body;
}

// "22:00" as minutes of the day.
std::optional<minutes> time_of_day(std::string_view text) {
  int hour = -1;
  int minute = -1;
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto read = [](std::string_view digits, int& out) {
    return std::from_chars(digits.data(), digits.data() + digits.size(), out).ptr == digits.data() + digits.size();
  };
  if (!read(text.substr(0, 2), hour) || !read(text.substr(3), minute)) return std::nullopt;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return std::nullopt;
  return minutes(hour * 60 + minute);
}

base::Result<std::optional<registry::QuietHours>> quiet_hours(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto dash = text.find('-');
  const auto from = time_of_day(std::string_view(text).substr(0, dash));
  const auto to = dash == std::string::npos ? std::nullopt : time_of_day(std::string_view(text).substr(dash + 1));
  if (!from || !to) return wrong("quiet: expected hours as 22:00-07:00");
  return registry::QuietHours{*from, *to};
}

std::string text_of(const registry::QuietHours& quiet) {
  const auto time = [](minutes at) { return fmt::format("{:02}:{:02}", at.count() / 60, at.count() % 60); };
  return time(quiet.from) + "-" + time(quiet.to);
}

json json_of(const registry::Channel& channel) {
  const auto& spec = channel.spec;
  json out{{"name", spec.name},
           {"kind", registry::channel_kind_name(spec.kind)},
           {"tenant", spec.tenant},
           {"language", spec.language},
           {"enabled", spec.enabled},
           {"secret", channel.has_secret},
           {"created", base::rfc3339(channel.created)},
           {"changed", base::rfc3339(channel.changed)}};
  if (spec.kind != registry::ChannelKind::kSmtp) {
    out["url"] = channel.shown;
    return out;
  }
  out["to"] = spec.to;
  out["from"] = spec.from;
  out["server"] = spec.server;
  out["user"] = spec.user;
  return out;
}

json json_of(const registry::Route& route) {
  const auto& spec = route.spec;
  return {{"number", route.number.value},
          {"channel", spec.channel},
          {"tenant", spec.tenant},
          {"rules", spec.rules},
          {"severity", spec.severity},
          {"on", spec.events},
          {"quiet", spec.quiet ? json(text_of(*spec.quiet)) : json("")},
          {"escalate_after_minutes", spec.escalate_after.count()}};
}

// A rule that is not there would never send anything, and look as if it did.
base::Result<void> check_rules(const std::vector<std::string>& rules) {
  const auto known = notify::known_rules();
  for (const auto& rule : rules) {
    if (std::ranges::find(known, rule) != known.end()) continue;
    return wrong(fmt::format("there is no rule \"{}\"; there are {}", rule.substr(0, 40), fmt::join(known, ", ")));
  }
  return {};
}

constexpr std::string_view outcome_name(notify::Outcome::Kind kind) {
  switch (kind) {
    case notify::Outcome::Kind::kSent: return "sent";
    case notify::Outcome::Kind::kRefused: return "refused";
    case notify::Outcome::Kind::kRetry: break;
  }
  return "no_success";
}

std::string test_json(const notify::Outcome& outcome) {
  return dump({{"outcome", outcome_name(outcome.kind)}, {"answer", outcome.text}, {"advice", outcome.advice}});
}

}  // namespace

notify::CarrierOptions carrier_options(const base::Settings& settings) {
  notify::CarrierOptions out;
  out.ca_file = settings.text("notify.ca_file");
  return out;
}

http::Plaintext plaintext_of(const base::Settings& settings) {
  return settings.flag("notify.plaintext") ? http::Plaintext::kAllowed : http::Plaintext::kThisMachine;
}

base::Result<std::unique_ptr<NotifyApi>> NotifyApi::create(registry::Store& registry, const base::Clock& clock,
                                                           const base::Settings& settings) {
  std::unique_ptr<NotifyApi> out(new NotifyApi(registry, clock, plaintext_of(settings)));
  out->carrier_ = MH_TRY(notify::make_carrier(carrier_options(settings)));
  return out;
}

void NotifyApi::answer(const Request& request, Done done) {
  const std::string_view path = request.path;
  const auto behind = [&](std::string_view prefix) { return path.substr(std::min(prefix.size() + 1, path.size())); };
  if (path.starts_with(kRoutes)) return done(response_of(of_routes(request, std::string(behind(kRoutes)))));
  const std::string rest(behind(kChannels));
  const auto slash = rest.find('/');
  const auto action = slash == std::string::npos ? std::string() : rest.substr(slash + 1);
  if (action == "test" && request.method == Method::kPost) return test(request, rest.substr(0, slash), std::move(done));
  if (!action.empty()) return done(Response::error({Errc::kNotFound, "no such resource"}));
  done(response_of(of_channels(request, rest)));
}

NotifyApi::Answer NotifyApi::of_channels(const Request& request, const std::string& name) {
  if (name.empty()) return request.method == Method::kPost ? add_channel(request) : channels();
  if (request.method == Method::kPut) return change_channel(request, name);
  if (request.method == Method::kDelete) return remove_channel(request, name);
  return dump(json_of(MH_TRY(registry_.channel(name))));
}

NotifyApi::Answer NotifyApi::of_routes(const Request& request, const std::string& number) {
  if (number.empty()) return request.method == Method::kPost ? add_route(request) : routes();
  if (request.method == Method::kDelete) return remove_route(request, number);
  return base::fail(Errc::kNotFound, "no such resource");
}

NotifyApi::Answer NotifyApi::channels() const {
  json list = json::array();
  for (const auto& channel : MH_TRY(registry_.channels())) list.push_back(json_of(channel));
  return dump({{"channels", list}});
}

// What the body names, over what is there.
base::Result<void> NotifyApi::read_channel(const json& body, registry::ChannelSpec& spec) const {
  std::string kind(registry::channel_kind_name(spec.kind));
  MH_TRY_VOID(take(body, "kind", kind));
  spec.kind = MH_TRY(registry::parse_channel_kind(kind));
  MH_TRY_VOID(take(body, "tenant", spec.tenant));
  MH_TRY_VOID(take(body, "language", spec.language));
  MH_TRY_VOID(take(body, "enabled", spec.enabled));
  MH_TRY_VOID(take(body, "to", spec.to));
  MH_TRY_VOID(take(body, "from", spec.from));
  MH_TRY_VOID(take(body, "server", spec.server));
  MH_TRY_VOID(take(body, "user", spec.user));
  MH_TRY_VOID(take(body, "url", spec.url));
  return take(body, "secret", spec.secret);
}

NotifyApi::Answer NotifyApi::add_channel(const Request& request) {
  const auto body = MH_TRY(object_of(request.body, kChannelMembers));
  if (!body.contains("kind")) return wrong("kind: smtp, webhook, wecom or dingtalk");
  registry::ChannelSpec spec;
  MH_TRY_VOID(take(body, "name", spec.name));
  MH_TRY_VOID(read_channel(body, spec));
  MH_TRY_VOID(notify::check_channel(spec, spec.url.value_or(""), plaintext_));
  return dump(json_of(MH_TRY(registry_.add_channel(actor_of(request), spec))));
}

NotifyApi::Answer NotifyApi::change_channel(const Request& request, const std::string& name) {
  const auto body = MH_TRY(object_of(request.body, kChannelMembers));
  const auto old = MH_TRY(registry_.channel(name));
  auto spec = old.spec;
  MH_TRY_VOID(read_channel(body, spec));
  const auto url = spec.url ? *spec.url : MH_TRY(registry_.channel_secrets(old.number)).url;
  MH_TRY_VOID(notify::check_channel(spec, url, plaintext_));
  return dump(json_of(MH_TRY(registry_.change_channel(actor_of(request), spec))));
}

NotifyApi::Answer NotifyApi::remove_channel(const Request& request, const std::string& name) {
  MH_TRY_VOID(registry_.remove_channel(actor_of(request), name));
  return std::string("{\"removed\":true}");
}

// Past the outbox: whoever sets a channel up wants the server's answer now, and only now.
void NotifyApi::test(const Request& request, const std::string& name, Done done) {
  const auto channel = registry_.channel(name);
  if (!channel) return done(Response::error(channel.error()));
  const auto parcel = [&]() -> base::Result<notify::Parcel> {
    const auto setup = MH_TRY(notify::read_setup(registry_));
    const auto now = clock_.now();
    const notify::Letter letter{base::hex_encode(crypto::random_bytes(16)), notify::test_message(setup, *channel, now),
                                now};
    return notify::pack(*channel, MH_TRY(registry_.channel_secrets(channel->number)), letter, now, plaintext_);
  }();
  if (!parcel) return done(Response::error(parcel.error()));
  carrier_->carry(*parcel, [this, channel = *channel, actor = actor_of(request),
                            done = std::move(done)](const base::Result<Response>& answer) mutable {
    const auto outcome = notify::judge(channel.spec.kind, answer);
    const auto noted =
        registry_.note_channel(actor, "channel.test", channel.spec.name, std::string(outcome_name(outcome.kind)));
    if (!noted) base::logging::warn("notify_test_not_noted", {{"error", noted.error().text}});
    done(Response::json(200, test_json(outcome)));
  });
}

NotifyApi::Answer NotifyApi::routes() const {
  json list = json::array();
  for (const auto& route : MH_TRY(registry_.routes())) list.push_back(json_of(route));
  return dump({{"routes", list}});
}

base::Result<registry::RouteSpec> NotifyApi::read_route(const std::string& text) const {
  const auto body = MH_TRY(object_of(text, kRouteMembers));
  registry::RouteSpec out;
  std::string quiet;
  MH_TRY_VOID(take(body, "channel", out.channel));
  MH_TRY_VOID(take(body, "tenant", out.tenant));
  MH_TRY_VOID(take(body, "rules", out.rules));
  MH_TRY_VOID(take(body, "severity", out.severity));
  MH_TRY_VOID(take(body, "on", out.events));
  MH_TRY_VOID(take(body, "quiet", quiet));
  MH_TRY_VOID(check_rules(out.rules));
  out.quiet = MH_TRY(quiet_hours(quiet));
  const auto after = body.find("escalate_after_minutes");
  if (after == body.end()) return out;
  if (!after->is_number_unsigned() || after->get<std::uint64_t>() > 1'000'000) {
    return wrong("escalate_after_minutes: expected a number of minutes");
  }
  out.escalate_after = minutes(after->get<std::int64_t>());
  return out;
}

NotifyApi::Answer NotifyApi::add_route(const Request& request) {
  const auto spec = MH_TRY(read_route(request.body));
  return dump(json_of(MH_TRY(registry_.add_route(actor_of(request), spec))));
}

NotifyApi::Answer NotifyApi::remove_route(const Request& request, const std::string& text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return base::fail(Errc::kNotFound, "a route is named by its number, as the list shows it");
  }
  MH_TRY_VOID(registry_.remove_route(actor_of(request), registry::RouteNumber(number)));
  return std::string("{\"removed\":true}");
}

void add_notify_routes(http::Server& server, NotifyApi& api, base::Executor& executor) {
  const auto add = [&](Method method, const std::string& path) {
    server.route(method, path, [&api, &executor, alive = api.alive()](const Request& request, http::Reply reply) {
      executor.post([&api, alive, request, reply = std::move(reply)]() mutable {
        if (alive.expired())
          return std::move(reply).send(Response::error({Errc::kUnavailable, "the platform is stopping"}));
        api.answer(request, [reply = std::move(reply)](Response response) mutable {
          std::move(reply).send(std::move(response));
        });
      });
    });
  };
  const std::string channels(kChannels);
  const std::string routes(kRoutes);
  add(Method::kGet, channels);
  add(Method::kPost, channels);
  add(Method::kGet, channels + "/{name}");
  add(Method::kPut, channels + "/{name}");
  add(Method::kDelete, channels + "/{name}");
  add(Method::kPost, channels + "/{name}/test");
  add(Method::kGet, routes);
  add(Method::kPost, routes);
  add(Method::kDelete, routes + "/{number}");
}

}  // namespace meterhub::app
