#include <meterhub/http/server.h>

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <unordered_map>

#include "session.h"

namespace meterhub::http {

class Reply::Impl {
 public:
  Impl(net::EventLoop& loop, std::weak_ptr<Session> session, std::uint64_t number, std::size_t stream_max)
      : loop_(loop), session_(std::move(session)), number_(number), stream_max_(stream_max) {}

  void send(Response response) {
    loop_.post([session = session_, number = number_, out = std::move(response)]() mutable {
      if (const auto living = session.lock()) living->respond(number, std::move(out));
    });
  }
  StreamPtr stream(Response head) {
    auto body = std::make_shared<BodyStream>(loop_, stream_max_);
    loop_.post([session = session_, number = number_, out = std::move(head), body]() mutable {
      if (const auto living = session.lock()) return living->begin_stream(number, std::move(out), std::move(body));
      body->client_gone();
    });
    return body;
  }

 private:
  net::EventLoop& loop_;
  std::weak_ptr<Session> session_;
  const std::uint64_t number_;
  const std::size_t stream_max_;
};

Reply::Reply(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reply::Reply(Reply&&) noexcept = default;
Reply& Reply::operator=(Reply&&) noexcept = default;
Reply::~Reply() {
  if (impl_) impl_->send(Response::error({base::Errc::kInternal, "the request was not answered"}));
}

void Reply::send(Response response) && {
  if (const auto impl = std::move(impl_)) impl->send(std::move(response));
}
void Reply::send(base::Result<Response> response) && {
  std::move(*this).send(response ? std::move(*response) : Response::error(response.error()));
}
StreamPtr Reply::stream(Response head) && { return std::move(impl_)->stream(std::move(head)); }
StreamPtr Reply::events() && {
  return std::move(*this).stream(
      {200, {{"Content-Type", "text/event-stream; charset=utf-8"}, {"Cache-Control", "no-store"}}, {}});
}

bool Stream::send_event(std::string_view event, std::string_view data) {
  std::string out = fmt::format("event: {}\n", event);
  while (true) {
    const auto end = data.find('\n');
    out += fmt::format("data: {}\n", data.substr(0, end));
    if (end == std::string_view::npos) break;
    data.remove_prefix(end + 1);
  }
  return write(out + "\n");
}

namespace {

// The name in a Host field, without port and brackets, in lower case.
std::string host_name(std::string_view host) {
  if (host.starts_with('[')) {
    host = host.substr(1, host.find(']') == std::string_view::npos ? host.size() : host.find(']') - 1);
  } else {
    host = host.substr(0, host.find(':'));
  }
  std::string out(host);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool loopback_name(const std::string& name) {
  const auto address = net::Address::parse(name);
  return name == "localhost" || (address && address->is_loopback());
}

class LoopServer final : public Server, public SessionOwner {
 public:
  LoopServer(net::EventLoop& loop, base::Metrics& metrics, ServerOptions options)
      : loop_(loop), metrics_(metrics), options_(std::move(options)) {}

  void route(Method method, std::string_view pattern, Handler handler) override {
    routes_.add(method, pattern, std::move(handler));
  }
  void content(std::string_view path, std::string_view media_type, std::string_view bytes) override;
  void upgrade(std::string_view pattern, UpgradeHandler handler) override {
    upgrades_.add(Method::kGet, pattern, std::move(handler));
  }
  void guard(std::move_only_function<base::Result<void>(Request&)> check) override { guard_ = std::move(check); }
  base::Result<net::Address> listen(const net::Address& at, net::ListenOptions options) override;
  base::Result<void> listen_unix(const std::string& path) override;
  std::size_t connections() const override { return sessions_.size(); }

  void handle(Session& session, Request request) override;
  bool upgrade(Session& session, Request& request) override;
  void ended(Session& session) override { sessions_.erase(&session); }
  void count_response(unsigned status) override {
    metrics_.counter("meterhub_http_responses_total", "HTTP responses by class",
                     {{"class", std::to_string(status / 100) + "xx"}}).add();
  }
  const ServerOptions& options() const override { return options_; }
  net::EventLoop& loop() override { return loop_; }

 private:
  void accept(net::ConnectionPtr connection);
  base::Result<std::vector<std::string>> check(Request& request);
  Response options_response(const std::vector<Method>& methods);
  net::ListenOptions with_limits(net::ListenOptions options) const;

  net::EventLoop& loop_;
  base::Metrics& metrics_;
  const ServerOptions options_;
  Router<Handler> routes_;
  Router<UpgradeHandler> upgrades_;
  std::move_only_function<base::Result<void>(Request&)> guard_;
  std::unordered_map<Session*, std::shared_ptr<Session>> sessions_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;  // go first
};

net::ListenOptions LoopServer::with_limits(net::ListenOptions options) const {
  // One answer may be a whole export; what is larger is streamed.
  options.limits.output_max = std::max<std::size_t>(options.limits.output_max, 64u << 20);
  return options;
}

base::Result<net::Address> LoopServer::listen(const net::Address& at, net::ListenOptions options) {
  if (!options.tls && !at.is_loopback())
    return base::fail(base::Errc::kInvalidArgument, "HTTP without TLS is for loopback only, not " + at.text());
  auto listener = MH_TRY(net::Listener::tcp(loop_, at, with_limits(std::move(options)), metrics_,
                                            [this](net::ConnectionPtr c) { accept(std::move(c)); }));
  listeners_.push_back(std::move(listener));
  return listeners_.back()->address();
}

base::Result<void> LoopServer::listen_unix(const std::string& path) {
  net::ListenOptions options;
  options.name = "control";
  auto listener = MH_TRY(net::Listener::unix_domain(loop_, path, with_limits(std::move(options)), metrics_,
                                                    [this](net::ConnectionPtr c) { accept(std::move(c)); }));
  listeners_.push_back(std::move(listener));
  return {};
}

void LoopServer::accept(net::ConnectionPtr connection) {
  const auto session = std::make_shared<Session>(*this, std::move(connection));
  sessions_.emplace(session.get(), session);
  session->start();
}

// Fills in path and query; checks Host.
base::Result<std::vector<std::string>> LoopServer::check(Request& request) {
  const std::string_view target = request.target;
  const auto question = target.find('?');
  auto segments = path_segments(target.substr(0, question));
  auto query = parse_query(question == std::string_view::npos ? std::string_view() : target.substr(question + 1));
  if (!segments || !query) return base::fail(base::Errc::kInvalidArgument, "the request target is malformed");
  for (const auto& segment : *segments) request.path += "/" + segment;
  request.query = std::move(*query);
  // A page elsewhere cannot reach a TLS listener under a name of its own: the certificate does not hold it.
  if (request.local || request.secure || options_.hosts.empty()) return std::move(*segments);
  const auto host = host_name(request.header("Host"));
  if (!loopback_name(host) && std::ranges::find(options_.hosts, host) == options_.hosts.end())
    return base::fail(base::Errc::kForbidden, "this server does not go by the name in Host");
  return std::move(*segments);
}

Response LoopServer::options_response(const std::vector<Method>& methods) {
  std::string allow;
  for (const auto method : methods) allow += (allow.empty() ? "" : ", ") + std::string(method_name(method));
  return {204, {{"Allow", allow}}, {}};
}

void LoopServer::handle(Session& session, Request request) {
  Reply reply(std::make_unique<Reply::Impl>(loop_, session.weak_from_this(), session.request_number(),
                                            options_.stream_buffer_max));
  const auto segments = check(request);
  if (!segments) return std::move(reply).send(Response::error(segments.error()));
  if (guard_) {
    if (const auto allowed = guard_(request); !allowed) return std::move(reply).send(Response::error(allowed.error()));
  }
  const auto method = request.method == Method::kHead ? Method::kGet : request.method;
  auto found = routes_.find(method, *segments);
  if (found.target != nullptr) {
    request.params = std::move(found.params);
    return (*found.target)(request, std::move(reply));
  }
  if (found.others.empty())
    return std::move(reply).send(Response::error({base::Errc::kNotFound, "there is nothing at " + request.path}));
  auto answer = options_response(found.others);
  if (request.method != Method::kOptions) {
    auto allow = std::move(answer.headers);
    answer = Response::error({base::Errc::kInvalidArgument, request.path + " does not take this method"});
    answer.status = 405;
    std::ranges::move(allow, std::back_inserter(answer.headers));
  }
  std::move(reply).send(std::move(answer));
}

bool LoopServer::upgrade(Session& session, Request& request) {
  const auto segments = check(request);
  if (!segments || (guard_ && !guard_(request))) {
    request.path.clear();
    request.query.clear();
    return false;
  }
  auto found = upgrades_.find(Method::kGet, *segments);
  request.path = found.target == nullptr ? std::string() : request.path;
  if (found.target == nullptr) return false;
  request.params = std::move(found.params);
  std::string rest;
  auto connection = session.give_away(rest);
  (*found.target)(request, std::move(connection), std::move(rest));
  return true;
}

void LoopServer::content(std::string_view path, std::string_view media_type, std::string_view bytes) {
  const auto tag = fmt::format("\"{:x}-{:x}\"", bytes.size(), std::hash<std::string_view>{}(bytes));
  route(Method::kGet, path, [tag, bytes, type = std::string(media_type)](const Request& request, Reply reply) {
    Response out{200, {{"Content-Type", type}, {"ETag", tag}, {"Cache-Control", "no-cache"}}, {}};
    if (request.header("If-None-Match") == tag) {
      out.status = 304;
    } else {
      out.body = bytes;
    }
    std::move(reply).send(std::move(out));
  });
}

}  // namespace

std::unique_ptr<Server> Server::create(net::EventLoop& loop, base::Metrics& metrics, ServerOptions options) {
  for (auto& host : options.hosts) host = host_name(host);
  return std::make_unique<LoopServer>(loop, metrics, std::move(options));
}

}  // namespace meterhub::http
