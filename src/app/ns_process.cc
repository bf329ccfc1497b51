#include "ns_process.h"

#include <meterhub/base/logging.h>
#include <meterhub/registry/master_key.h>

#include "ns_options.h"

namespace meterhub::app {

base::Result<std::unique_ptr<NsProcess>> NsProcess::start(const base::Settings& settings) {
  std::unique_ptr<NsProcess> out(new NsProcess);
  out->plugins_ = MH_TRY(decrypt::CipherPlugins::load(settings.text("ns.plugins")));
  out->packets_ = MH_TRY(LoopThread::create("ns"));
  out->rest_ = MH_TRY(LoopThread::create("ns-sessions"));
  MH_TRY_VOID(out->start_feed(settings));
  MH_TRY_VOID(out->start_server(settings));
  MH_TRY_VOID(out->start_http(settings));
  return out;
}

base::Result<void> NsProcess::start_feed(const base::Settings& settings) {
  ns::FeedClientOptions options;
  options.servers = MH_TRY(addresses_of(settings, "ns.feed_servers"));
  options.tls = MH_TRY(ns_client_tls(settings, disk_));
  if (!options.tls) return base::fail(base::Errc::kInvalidArgument, "ns.ca_file, ns.certificate_file and ns.key_file are needed; meterhub tls issue makes them");
  options.server_name = settings.text("ns.feed_name");
  if (const auto& folder = settings.text("ns.sessions_directory"); !folder.empty()) {
    MH_TRY_VOID(disk_.make_directories(folder));
    options.file = base::join_path(folder, "sessions.mhf");
    options.file_key = MH_TRY(registry::load_or_make_master_key(base::join_path(folder, "sessions.key")));
  }
  auto& loop = rest_->loop();
  auto made = ask<base::Result<std::unique_ptr<ns::FeedClient>>>(
      loop, [&] { return ns::FeedClient::create(loop, sessions_, disk_, metrics_, std::move(options)); });
  feed_ = MH_TRY(std::move(made));
  return {};
}

base::Result<void> NsProcess::start_server(const base::Settings& settings) {
  ns::ServerOptions options;
  options.listen = MH_TRY(net::Address::parse(settings.text("ns.listen")));
  options.networks = MH_TRY(networks_of(settings, "ns.networks"));
  if (!settings.flag("ns.plaintext")) options.answer_tls = MH_TRY(ns_client_tls(settings, disk_));
  auto& loop = packets_->loop();
  auto made = ask<base::Result<std::unique_ptr<ns::Server>>>(
      loop, [&] { return ns::Server::create(loop, sessions_, plugins_.get(), metrics_, std::move(options)); });
  server_ = MH_TRY(std::move(made));
  address_ = ask<net::Address>(loop, [&] { return server_->address(); });
  return {};
}

base::Result<void> NsProcess::start_http(const base::Settings& settings) {
  const auto& listen = settings.text("ns.http_listen");
  if (listen.empty()) return {};
  const auto at = MH_TRY(net::Address::parse(listen));
  auto& loop = rest_->loop();
  return ask<base::Result<void>>(loop, [&]() -> base::Result<void> {
    http_ = http::Server::create(loop, metrics_, {});
    http_->route(http::Method::kGet, "/metrics", [this](const http::Request&, http::Reply reply) {
      std::move(reply).send(http::Response::text(200, metrics_.expose()));
    });
    http_->route(http::Method::kGet, "/health", [this](const http::Request&, http::Reply reply) {
      const bool well = feed_->has_sessions();
      std::move(reply).send(http::Response::json(well ? 200 : 503, well ? "{\"healthy\":true}" : "{\"healthy\":false,\"reason\":\"no sessions yet\"}"));
    });
    MH_TRY_VOID(http_->listen(at, {}));
    return {};
  });
}

NsProcess::~NsProcess() {
  if (packets_) run_on(packets_->loop(), [this] { server_.reset(); });
  if (!rest_) return;
  run_on(rest_->loop(), [this] {
    http_.reset();
    feed_.reset();
  });
}

}  // namespace meterhub::app
