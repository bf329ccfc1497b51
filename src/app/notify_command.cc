// meterhub notify: where messages about episodes go, and whether they arrive.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/settings.h>

#include "ask.h"
#include "commands.h"
#include "program.h"

namespace meterhub::app {
namespace {

using http::Method;
using nlohmann::json;

constexpr const char* kChannels = "/api/v1/notify/channels";
constexpr const char* kRoutes = "/api/v1/notify/routes";

// A secret that the user keeps in a file, in a variable, or pipes in; never an argument, which others can see.
struct SecretSource {
  std::string file, variable;
  bool given() const { return !file.empty() || !variable.empty(); }
};

struct NotifyArguments {
  std::string data = "meterhub-data";
  bool as_json = false;
  std::string name, kind, tenant, language, from, server, user, url;
  std::vector<std::string> to;
  bool enable = false, disable = false;
  SecretSource secret, secret_url;
  std::string channel, severity, on, quiet, escalate_after;
  std::vector<std::string> rules;

  std::string channel_path(const char* action = "") const { return std::string(kChannels) + "/" + name + action; }
};

base::Result<std::string> read_secret(const SecretSource& source) {
  std::string out;
  if (!source.variable.empty()) {
    const auto* value = std::getenv(source.variable.c_str());
    if (value == nullptr)
      return base::fail(base::Errc::kNotFound, "there is no variable " + source.variable + " in the environment");
    out = value;
  } else if (source.file == "-") {
    out.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::ifstream file(source.file);
    if (!file) return base::fail(base::Errc::kIo, "cannot read " + source.file);
    out.assign(std::istreambuf_iterator<char>(file), {});
  }
  while (out.ends_with('\n') || out.ends_with('\r')) out.pop_back();
  return out;
}

base::Result<json> channel_body(const NotifyArguments& arguments) {
  json out = json::object();
  for (const auto& [key, value] :
       {std::pair{"kind", &arguments.kind}, std::pair{"tenant", &arguments.tenant},
        std::pair{"language", &arguments.language}, std::pair{"from", &arguments.from},
        std::pair{"server", &arguments.server}, std::pair{"user", &arguments.user}, std::pair{"url", &arguments.url}}) {
    if (!value->empty()) out[key] = *value;
  }
  if (!arguments.to.empty()) out["to"] = arguments.to;
  if (arguments.enable || arguments.disable) out["enabled"] = arguments.enable;
  if (arguments.secret.given()) out["secret"] = MH_TRY(read_secret(arguments.secret));
  if (arguments.secret_url.given()) out["url"] = MH_TRY(read_secret(arguments.secret_url));
  return out;
}

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

std::string joined(const json& object, const char* key) {
  std::string out;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return out;
  for (const auto& one : *found) (out += out.empty() ? "" : ",") += one.is_string() ? one.get<std::string>() : "";
  return out;
}

void print_channel(const json& channel) {
  const auto address =
      channel.contains("url") ? text_of(channel, "url") : joined(channel, "to") + " by " + text_of(channel, "server");
  fmt::print("{:<20} {:<9} {:<9} {:<4} {:<20} {}\n", text_of(channel, "name"), text_of(channel, "kind"),
             channel.value("enabled", false) ? "enabled" : "disabled", text_of(channel, "language"),
             or_dash(text_of(channel, "tenant")), address);
}

void print_route(const json& route) {
  const auto after = route.value("escalate_after_minutes", 0);
  fmt::print("{:>6} {:<20} {:<10} {:<8} {:<12} {:<10} {:<20} {}\n", route["number"].dump(), text_of(route, "channel"),
             text_of(route, "severity"), text_of(route, "on"), or_dash(text_of(route, "quiet")),
             after > 0 ? fmt::format("{} min", after) : "at once", or_dash(text_of(route, "tenant")),
             or_dash(joined(route, "rules")));
}

base::Result<int> list(const NotifyArguments& arguments, const char* path, const char* key, const char* head,
                       void (*print)(const json&)) {
  const auto text = MH_TRY(ask_platform(arguments.data, Method::kGet, path, {}));
  if (arguments.as_json) {
    fmt::print("{}\n", text);
    return 0;
  }
  const auto answer = json::parse(text, nullptr, false);
  fmt::print("{}\n", head);
  if (answer.is_object() && answer.contains(key)) {
    for (const auto& one : answer[key]) print(one);
  }
  return 0;
}

base::Result<int> list_channels(const NotifyArguments& arguments) {
  static const auto head =
      fmt::format("{:<20} {:<9} {:<9} {:<4} {:<20} {}", "CHANNEL", "KIND", "STATE", "LANG", "TENANT", "ADDRESS");
  return list(arguments, kChannels, "channels", head.c_str(), print_channel);
}

base::Result<int> list_routes(const NotifyArguments& arguments) {
  static const auto head = fmt::format("{:>6} {:<20} {:<10} {:<8} {:<12} {:<10} {:<20} {}", "ROUTE", "CHANNEL",
                                       "SEVERITY", "ON", "QUIET", "SENT", "TENANT", "RULES");
  return list(arguments, kRoutes, "routes", head.c_str(), print_route);
}

base::Result<int> put_channel(const NotifyArguments& arguments, Method method) {
  const bool robot = arguments.kind == "wecom" || arguments.kind == "dingtalk";
  if (robot && !arguments.url.empty()) {
    return base::fail(base::Errc::kInvalidArgument,
                      "whoever sees a robot's URL can write to its group: give it with --url-file or --url-env");
  }
  if (arguments.secret.file == "-" && arguments.secret_url.file == "-") {
    return base::fail(base::Errc::kInvalidArgument, "only one of --secret-file and --url-file can be stdin");
  }
  auto body = MH_TRY(channel_body(arguments));
  if (method == Method::kPost) body["name"] = arguments.name;
  const auto path = method == Method::kPost ? std::string(kChannels) : arguments.channel_path();
  const auto text =
      MH_TRY(ask_platform(arguments.data, method, path, {}, body.dump(-1, ' ', false, json::error_handler_t::replace)));
  if (arguments.as_json) {
    fmt::print("{}\n", text);
  } else {
    print_channel(json::parse(text, nullptr, false));
  }
  return 0;
}

base::Result<int> remove(const NotifyArguments& arguments, const std::string& path) {
  const auto text = MH_TRY(ask_platform(arguments.data, Method::kDelete, path, {}));
  fmt::print("{}\n", arguments.as_json ? text : "removed");
  return 0;
}

base::Result<int> add_route(const NotifyArguments& arguments) {
  json body{{"channel", arguments.channel}};
  for (const auto& [key, value] : {std::pair{"tenant", &arguments.tenant}, std::pair{"severity", &arguments.severity},
                                   std::pair{"on", &arguments.on}, std::pair{"quiet", &arguments.quiet}}) {
    if (!value->empty()) body[key] = *value;
  }
  if (!arguments.rules.empty()) body["rules"] = arguments.rules;
  if (!arguments.escalate_after.empty()) {
    const auto after = MH_TRY(base::parse_duration(arguments.escalate_after));
    body["escalate_after_minutes"] = std::chrono::ceil<std::chrono::minutes>(after).count();
  }
  const auto text = MH_TRY(ask_platform(arguments.data, Method::kPost, kRoutes, {},
                                        body.dump(-1, ' ', false, json::error_handler_t::replace)));
  if (arguments.as_json) {
    fmt::print("{}\n", text);
  } else {
    print_route(json::parse(text, nullptr, false));
  }
  return 0;
}

base::Result<int> test(const NotifyArguments& arguments) {
  const auto text = MH_TRY(ask_platform(arguments.data, Method::kPost, arguments.channel_path("/test"), {}));
  const auto answer = json::parse(text, nullptr, false);
  const bool sent = answer.is_object() && text_of(answer, "outcome") == "sent";
  if (arguments.as_json) {
    fmt::print("{}\n", text);
    return sent ? 0 : 1;
  }
  if (sent) {
    fmt::print("{}: sent. The server said: {}\n", arguments.name, or_dash(text_of(answer, "answer")));
    return 0;
  }
  fmt::print(stderr, "meterhub: {}: not sent: {}\n", arguments.name, text_of(answer, "answer"));
  if (const auto advice = text_of(answer, "advice"); !advice.empty()) fmt::print(stderr, "{}\n", advice);
  return 1;
}

std::string check_name(const std::string& name) {
  return name.find_first_of("/?#% ") == std::string::npos && !name.empty() ? std::string()
                                                                           : "\"" + name + "\" is no channel's name";
}

void add_channel_options(CLI::App& command, NotifyArguments& a, bool adds) {
  if (adds)
    command.add_option("--kind", a.kind, "smtp, webhook, wecom or dingtalk")
        ->required()
        ->check(CLI::IsMember({"smtp", "webhook", "wecom", "dingtalk"}));
  command.add_option("--tenant", a.tenant, "Whose it is (default: the platform's, for all)");
  command.add_option("--language", a.language, "zh or en (default: zh)")->check(CLI::IsMember({"zh", "en"}));
  command.add_option("--to", a.to, "smtp: address that mail goes to; may be repeated");
  command.add_option("--from", a.from, "smtp: sender, as alarm@example.org or \"Name <alarm@example.org>\"");
  command.add_option("--server", a.server, "smtp: smtps://HOST:465, or smtp://HOST:587 with STARTTLS");
  command.add_option("--user", a.user, "smtp: name to sign in with");
  auto* url = command.add_option("--url", a.url, "webhook: where to post");
  auto* url_file = command
                       .add_option("--url-file", a.secret_url.file,
                                   "File that holds the URL, - for stdin: for robots, whose URL is a secret")
                       ->excludes(url);
  command.add_option("--url-env", a.secret_url.variable, "Variable of the environment that holds the URL")
      ->excludes(url)
      ->excludes(url_file);
  auto* file = command.add_option(
      "--secret-file", a.secret.file,
      "File that holds the secret, - for stdin. smtp: password; webhook: key of the signature; dingtalk: SEC…");
  command.add_option("--secret-env", a.secret.variable, "Variable of the environment that holds the secret")
      ->excludes(file);
  auto* off = command.add_flag("--disable", a.disable, "Switched off: nothing is sent, what waits is dropped");
  if (!adds) command.add_flag("--enable", a.enable, "Switched on again")->excludes(off);
}

void add_route_options(CLI::App& command, NotifyArguments& a) {
  command.add_option("--channel", a.channel, "Where to")->required();
  command.add_option("--tenant", a.tenant, "Of one tenant (default: all)");
  command.add_option("--rule", a.rules, "Of one rule, as leak; may be repeated (default: all)");
  command.add_option("--severity", a.severity, "At least: info, warning, urgent or emergency (default: warning)")
      ->check(CLI::IsMember({"info", "warning", "urgent", "emergency"}));
  command.add_option("--on", a.on, "raised, cleared or both (default: both)")
      ->check(CLI::IsMember({"raised", "cleared", "both"}));
  command.add_option(
      "--quiet", a.quiet,
      "Hours in which messages wait for their end, on the tenant's clock, as 22:00-07:00; emergencies do not wait");
  command
      .add_option("--escalate-after", a.escalate_after,
                  "Only what is still unacknowledged then, as 30m (default: all, at once)")
      ->check(check_duration);
}

}  // namespace

void add_notify(CLI::App& program, Exit& exit) {
  const auto a = std::make_shared<NotifyArguments>();
  auto* notify = program.add_subcommand("notify", "Messages about episodes: where they go, and whether they arrive")
                     ->require_subcommand(1);
  const auto command = [&](CLI::App* parent, const char* name, const char* text,
                           std::function<base::Result<int>()> run) {
    auto* out = parent->add_subcommand(name, text);
    out->add_option("--data", a->data, "The data directory")->capture_default_str();
    out->add_flag("--json", a->as_json, "As the API answers it");
    out->callback([&exit, run = std::move(run)] { exit.code = report(run()); });
    return out;
  };
  auto* channel =
      notify->add_subcommand("channel", "Where messages go: mail, webhook, WeCom, DingTalk")->require_subcommand(1);
  const auto of_one = [&](const char* name, const char* text, std::function<base::Result<int>()> run) {
    auto* out = command(channel, name, text, std::move(run));
    out->add_option("name", a->name, "The channel's name")->required()->check(check_name);
    return out;
  };
  command(channel, "list", "All channels, without their secrets", [a] { return list_channels(*a); });
  add_channel_options(*of_one("add", "Keeps a channel", [a] { return put_channel(*a, Method::kPost); }), *a, true);
  add_channel_options(*of_one("change", "Changes what is given", [a] { return put_channel(*a, Method::kPut); }), *a,
                      false);
  of_one("remove", "Forgets it with its routes; what waits for it is dropped",
         [a] { return remove(*a, a->channel_path()); });
  auto* route = notify->add_subcommand("route", "What goes to which channel")->require_subcommand(1);
  command(route, "list", "All routes", [a] { return list_routes(*a); });
  add_route_options(*command(route, "add", "Adds a route", [a] { return add_route(*a); }), *a);
  command(route, "remove", "Removes a route", [a] { return remove(*a, std::string(kRoutes) + "/" + a->name); })
      ->add_option("number", a->name, "Its number in the list")
      ->required()
      ->check(CLI::PositiveNumber);
  command(notify, "test", "Sends one test message and shows what the server answers", [a] { return test(*a); })
      ->add_option("--channel", a->name, "Which one")
      ->required()
      ->check(check_name);
}

}  // namespace meterhub::app
