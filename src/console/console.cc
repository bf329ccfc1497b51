#include <meterhub/console/console.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include <meterhub/base/json_text.h>
#include <meterhub/base/time_text.h>

#include "access.h"
#include "alerts.h"
#include "building_stream.h"
#include "events.h"
#include "lag.h"
#include "lake_readings.h"
#include "list_server.h"
#include "meter_list.h"
#include "openapi.h"
#include "page.h"
#include "places.h"
#include "routes.h"
#include "scoped_server.h"
#include "small_lists.h"
#include "status.h"

namespace meterhub::console {
namespace {

using http::Method;
using http::Reply;
using http::Request;
using http::Response;

constexpr std::chrono::seconds kEvents{1};
constexpr int kCommentEvery = 15;  // events' ticks
// States in one event; the rest follow a second later.
constexpr std::size_t kStatesOfEvent = 5'000;
// A status is measured again when it is older than this.
constexpr std::chrono::milliseconds kStatusAge{200};
// For those who follow the events to take the last ones when the platform ends.
constexpr std::chrono::milliseconds kFarewell{100};

// A whole number of the query; `absent` when it is not there. kInvalidArgument names it.
base::Result<std::int64_t> number_of(const Request& request, std::string_view name, std::int64_t absent,
                                     std::int64_t least, std::int64_t most) {
  const auto text = request.query_value(name);
  if (text.empty()) return absent;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    return base::fail(base::Errc::kInvalidArgument, std::string(name) + " is a whole number from " +
                                                        std::to_string(least) + " to " + std::to_string(most));
  }
  return value;
}

base::Result<Response> json_of(base::Result<std::string> body) {
  if (!body) return std::unexpected(std::move(body).error());
  return Response::json(200, std::move(*body));
}

http::ServerOptions server_options() {
  http::ServerOptions out;
  // Without TLS only loopback names and numbers: a page elsewhere cannot reach it under a name of its own.
  out.hosts = {"localhost"};
  out.headers = security_headers();
  out.stream_buffer_max = 8u << 20;
  return out;
}

class LoopConsole final : public Console {
 public:
  LoopConsole(net::EventLoop& loop, const ConsoleWorld& world, ConsoleOptions options)
      : loop_(loop),
        world_(world),
        options_(std::move(options)),
        access_(
            options_.key, [this] { return world_.directory.api_keys(); }, loop.clock(), world.metrics),
        fleet_(world.fleet),
        alerts_(world.database),
        figures_(world.directory, fleet_, world.database),
        events_(options_.event_clients_max),
        lists_(options_.scratch),
        lake_(world.disk, options_.lake, world.lake_thread) {}
  ~LoopConsole() override { stop(); }

  base::Result<void> start();

  std::optional<net::Address> address() const override { return address_; }
  std::optional<net::Address> https_address() const override { return https_address_; }
  std::string url() const override {
    return address_ ? "http://" + address_->text() + "/?key=" + options_.key : std::string();
  }
  http::Server& server() override { return *server_; }
  void add_stage(Stage stage) override { options_.stages.push_back(std::move(stage)); }
  void add_warning(std::string text) override { warnings_.push_back(std::move(text)); }
  void remove_stage(std::string_view name) override {
    std::erase_if(options_.stages, [&](const Stage& s) { return s.name == name; });
  }
  void add_list(std::string_view path, ListForm form, ListSource source, base::Executor* on) override;
  void answer_list(ListForm form, ListSource source, base::Executor& on, std::weak_ptr<void> alive,
                   const Request& request, Reply reply) override {
    auto route = std::make_shared<const ListRoute>(
        ListRoute{std::make_shared<const ListForm>(std::move(form)), std::move(source), on});
    lists_.answer(std::move(route), std::move(alive), request, std::move(reply));
  }
  Publish publisher() override;
  void drain(base::Task done) override;

 private:
  base::Timestamp now() const { return loop_.clock().now(); }
  base::Result<void> listen();
  void stop();
  void add_routes();
  void add_lists();
  void add_page();
  void tick();
  void send_events();
  std::string states_json(const std::vector<fleet::FleetState::Change>& changes, const EventScope& scope) const;
  void refresh();
  std::string status(const EventScope& scope);

  void answer_root(const Request& request, Reply reply);
  void answer_meter(const Request& request, Reply reply);
  void answer_events(const Request& request, Reply reply);
  base::Result<Response> alerts_after(const Request& request) const;
  base::Result<Response> flow(const Request& request) const;
  Response health();

  net::EventLoop& loop_;
  const ConsoleWorld world_;
  ConsoleOptions options_;
  Access access_;
  fleet::FleetState& fleet_;
  AlertFeed alerts_;
  TenantFigures figures_;
  EventClients events_;
  base::ThreadExecutor queries_{"lists"};  // lists that read the database
  ListServer lists_;
  LakeReadings lake_;
  Rate packets_;
  Rate readings_;
  Status seen_;         // not older than a second when refresh() returns
  std::string status_;  // the same as JSON
  std::optional<base::MonotonicTime> status_at_;
  std::vector<std::string> warnings_;
  int ticks_ = 0;
  std::optional<net::Address> address_;
  std::optional<net::Address> https_address_;
  std::unique_ptr<ScopedServer> server_;
  base::Executor::TimerId tick_timer_{};
  // Tasks of the loop that may outlive the console hold it weakly.
  std::shared_ptr<LoopConsole*> self_ = std::make_shared<LoopConsole*>(this);
};

base::Result<void> LoopConsole::start() {
  if ((options_.listen || options_.https) && options_.key.empty()) {
    return base::fail(base::Errc::kInvalidArgument, "the console's address needs a key");
  }
  server_ = std::make_unique<ScopedServer>(http::Server::create(loop_, world_.metrics, server_options()));
  server_->guard([this](Request& request) { return access_.check(request); });
  add_routes();
  add_lists();
  add_page();
  MH_TRY_VOID(listen());
  loop_.post([weak = std::weak_ptr(self_)] {
    if (const auto self = weak.lock()) (*self)->tick();
  });
  return {};
}

base::Result<void> LoopConsole::listen() {
  if (options_.listen) {
    net::ListenOptions options;
    options.name = "console";
    options.max_connections = 1000;
    address_ = MH_TRY(server_->listen(*options_.listen, std::move(options)));
    access_.set_port(address_->port);
  }
  if (options_.https) {
    net::ListenOptions options;
    options.name = "https";
    options.tls = options_.https->tls;
    options.max_connections = 1000;
    https_address_ = MH_TRY(server_->listen(options_.https->at, std::move(options)));
  }
  if (!options_.control_socket.empty()) MH_TRY_VOID(server_->listen_unix(options_.control_socket));
  return {};
}

// A page that stays open goes on showing the last numbers: those that all other parts ended with.
void LoopConsole::drain(base::Task done) {
  const bool followed = !events_.empty();
  status_at_.reset();
  tick();
  events_.end();
  loop_.after(followed ? kFarewell : std::chrono::milliseconds(0),
              [weak = std::weak_ptr(self_), done = std::move(done)]() mutable {
                if (const auto self = weak.lock()) (*self)->stop();
                done();
              });
}

void LoopConsole::stop() {
  loop_.cancel(tick_timer_);
  self_.reset();
  events_.end();
  server_.reset();
}

void LoopConsole::tick() {
  tick_timer_ = loop_.after(kEvents, [weak = std::weak_ptr(self_)] {
    if (const auto self = weak.lock()) (*self)->tick();
  });
  packets_.look(loop_.clock().monotonic(), world_.metrics.total("meterhub_hub_messages_received_total"));
  readings_.look(loop_.clock().monotonic(), world_.metrics.total("meterhub_stream_readings_total"));
  if (auto used = access_.take_used(); !used.empty() && options_.keys_used) options_.keys_used(std::move(used));
  alerts_.look();
  events_.keep([this](const Caller& caller) { return access_.stands(caller); });
  send_events();
}

// To each what it may see.
void LoopConsole::send_events() {
  const auto changes = fleet_.take_changes(kStatesOfEvent);
  for (const auto& scope : events_.scopes()) {
    if (const auto states = states_json(changes, scope); !states.empty()) events_.send_to(scope, "states", states);
    if (const auto rows = alerts_.fresh(scope); !rows.empty()) events_.send_to(scope, "alerts", rows);
    events_.send_to(scope, "status", status(scope));
  }
  if (!events_.empty() && ++ticks_ % kCommentEvery == 0) events_.send_comment();
}

std::string LoopConsole::states_json(const std::vector<fleet::FleetState::Change>& changes,
                                     const EventScope& scope) const {
  std::string out = "[";
  const auto view = world_.directory.view();
  for (const auto& [number, state] : changes) {
    const auto* const meter = view.meter(number);
    if (meter == nullptr || (scope && meter->tenant != *scope)) continue;
    out += out.size() > 1 ? ",{\"eui\":\"" : "{\"eui\":\"";
    out += meter->eui.text() + "\",\"state\":\"" + std::string(fleet::state_name(state)) + "\"}";
  }
  return out.size() > 1 ? out + ']' : std::string();
}

Console::Publish LoopConsole::publisher() {
  return [&loop = loop_, weak = std::weak_ptr(self_)](std::string_view event, EventScope tenant, std::string data) {
    loop.post([weak, event = std::string(event), tenant, data = std::move(data)] {
      if (const auto self = weak.lock()) (*self)->events_.publish(tenant, event, data);
    });
  };
}

void LoopConsole::refresh() {
  const auto at = loop_.clock().monotonic();
  if (status_at_ && at - *status_at_ < kStatusAge) return;
  Status status;
  status.time = now();
  status.started = options_.started;
  status.totals = read_totals(world_.metrics);
  status.packets_per_second = packets_.per_second();
  status.readings_per_second = readings_.per_second();
  status.stages = measure_lag(world_.log, options_.stages, status.time);
  status.meters = world_.directory.meter_count();
  status.alerts = alerts_.total(loop_.clock());
  status.log_fill = world_.log.fill();
  status.event_hubs = measure_event_hubs(world_.log, options_.event_hubs);
  status.warnings = warnings_;
  status_ = status_json(status, fleet_);
  seen_ = std::move(status);
  status_at_ = at;
}

std::string LoopConsole::status(const EventScope& scope) {
  refresh();
  if (!scope) return status_;
  const auto tenant = world_.directory.tenant(*scope);
  return tenant_status_json(seen_, tenant ? tenant->name : std::string(), figures_.of(*scope, loop_.clock()));
}

void LoopConsole::add_routes() {
  server_->route(Method::kGet, "/api/v1/status", [this](const Request& request, Reply reply) {
    std::move(reply).send(Response::json(200, status(caller_of(request).tenant)));
  });
  server_->route(Method::kGet, "/api/v1/routes", [this](const Request&, Reply reply) {
    std::move(reply).send(Response::json(200, routes_json(server_->routes())));
  });
  server_->route(Method::kGet, "/api/v1/buildings", [this](const Request& request, Reply reply) {
    const auto limit = number_of(request, "limit", INT32_MAX, 1, INT32_MAX);
    if (!limit) return std::move(reply).send(Response::error(limit.error()));
    stream_buildings(loop_, world_.directory, fleet_, static_cast<std::size_t>(*limit), caller_of(request), self_,
                     std::move(reply));
  });
  server_->route(Method::kGet, "/api/v1/meters/{eui}",
                 [this](const Request& request, Reply reply) { answer_meter(request, std::move(reply)); });
  server_->route(Method::kGet, "/api/v1/flow",
                 [this](const Request& request, Reply reply) { std::move(reply).send(flow(request)); });
  server_->route(Method::kGet, "/api/v1/events",
                 [this](const Request& request, Reply reply) { answer_events(request, std::move(reply)); });
  server_->route(Method::kGet, "/metrics", [this](const Request&, Reply reply) {
    std::move(reply).send(
        Response{200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, world_.metrics.expose()});
  });
  server_->route(Method::kGet, "/health", [this](const Request&, Reply reply) { std::move(reply).send(health()); });
}

void LoopConsole::add_list(std::string_view path, ListForm form, ListSource source, base::Executor* on) {
  const auto route = std::make_shared<const ListRoute>(
      ListRoute{std::make_shared<const ListForm>(std::move(form)), std::move(source), on == nullptr ? loop_ : *on});
  server_->route(Method::kGet, path, [this, route](const Request& request, Reply reply) {
    lists_.answer(route, self_, request, std::move(reply));
  });
}

void LoopConsole::add_lists() {
  add_list("/api/v1/meters", meter_list_form(), meter_list(world_.directory, fleet_), nullptr);
  add_list("/api/v1/gateways", gateway_list_form(), gateway_list(world_.directory, options_.gateway_heard), nullptr);
  // Followers ask for what is new since a row; all others get a list.
  const auto alerts = std::make_shared<const ListRoute>(
      ListRoute{std::make_shared<const ListForm>(alert_list_form()),
                alert_list(world_.database, world_.directory, loop_.clock()), queries_});
  server_->route(Method::kGet, "/api/v1/alerts", [this, alerts](const Request& request, Reply reply) {
    if (request.query_value("after").empty()) return lists_.answer(alerts, self_, request, std::move(reply));
    std::move(reply).send(alerts_after(request));
  });
}

void LoopConsole::add_page() {
  server_->content("/api/v1/openapi.json", "application/json; charset=utf-8", openapi_json());
  server_->route(Method::kGet, "/",
                 [this](const Request& request, Reply reply) { answer_root(request, std::move(reply)); });
  for (const auto& file : page_files()) server_->content(file.path, file.media_type, file.bytes);
}

void LoopConsole::answer_root(const Request& request, Reply reply) {
  const auto key = request.query_value("key");
  // The page shows the platform: a tenant's key is for programs.
  const auto platform = [](const Caller& caller) { return !caller.tenant; };
  if (key.empty() && platform(caller_of(request)))
    return std::move(reply).send(Response::html(std::string(page_html())));
  const auto shown = key.empty() ? std::nullopt : std::optional(access_.caller_of_key(key, request.peer));
  if (shown && *shown && platform(**shown)) return std::move(reply).send(access_.welcome(key, request.secure));
  auto locked = Response::html(std::string(locked_html()));
  locked.status = 401;
  std::move(reply).send(std::move(locked));
}

void LoopConsole::answer_meter(const Request& request, Reply reply) {
  const auto eui = base::Eui64::parse(request.param("eui"));
  if (!eui) return std::move(reply).send(Response::error(eui.error()));
  auto head = meter_json(world_.directory, fleet_, *eui, caller_of(request));
  if (!head) return std::move(reply).send(Response::error(head.error()));
  *head += ",\"readings\":";
  if (fleet_.keeps_rings()) {
    const auto number = world_.directory.meter(*eui)->number;
    return std::move(reply).send(Response::json(200, *head + readings_json(fleet_.ring(number)) + '}'));
  }
  lake_.ask(*eui, now(),
            [head = std::move(*head), reply = std::move(reply)](base::Result<std::string> readings) mutable {
              if (!readings) return std::move(reply).send(Response::error(readings.error()));
              std::move(reply).send(Response::json(200, head + *readings + '}'));
            });
}

void LoopConsole::answer_events(const Request& request, Reply reply) {
  if (!events_.has_room()) {
    return std::move(reply).send(
        Response::error({base::Errc::kResourceExhausted, "too many follow the events already"}));
  }
  const auto caller = caller_of(request);
  auto stream = std::move(reply).events();
  stream->send_event("status", status(caller.tenant));
  events_.add(std::move(stream), caller);
}

base::Result<Response> LoopConsole::alerts_after(const Request& request) const {
  for (const auto& [name, value] : request.query) {
    if (name != "after" && name != "limit")
      return base::fail(base::Errc::kInvalidArgument, "with after there is limit, and no filter");
  }
  const auto limit = MH_TRY(number_of(request, "limit", 100, 1, kAlertsLimit));
  const auto after = MH_TRY(number_of(request, "after", 0, 0, INT64_MAX));
  return json_of(alerts_json(world_.database, static_cast<std::size_t>(limit), after, caller_of(request).tenant));
}

base::Result<Response> LoopConsole::flow(const Request& request) const {
  const auto minutes = MH_TRY(number_of(request, "minutes", 60, 1, fleet::FlowMinutes::kKept - 1));
  const auto tenant = caller_of(request).tenant;
  const auto& all = tenant ? fleet_.flow(*tenant) : fleet_.flow();
  std::string out = "{\"unit\":\"m3/h\",\"points\":[";
  for (const auto& point : all.points(minutes, now())) {
    if (out.back() == '}') out += ',';
    out += "{\"time\":\"" + base::rfc3339(point.minute) + "\",\"flow\":";
    base::append_json_number(out, std::round(point.litres * 60) / 1000);
    out += '}';
  }
  return Response::json(200, out + "]}");
}

Response LoopConsole::health() {
  refresh();
  const auto healthy = health_of(seen_);
  if (healthy) return Response::json(200, "{\"healthy\":true}");
  std::string body = "{\"healthy\":false,\"reason\":";
  base::append_json_string(body, healthy.error().text);
  return Response::json(503, body + '}');
}

}  // namespace

base::Result<std::unique_ptr<Console>> Console::create(net::EventLoop& loop, const ConsoleWorld& world,
                                                       ConsoleOptions options) {
  auto console = std::make_unique<LoopConsole>(loop, world, std::move(options));
  MH_TRY_VOID(console->start());
  return console;
}

}  // namespace meterhub::console
