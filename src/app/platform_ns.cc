// How a platform reaches network servers, and the session feed it offers them.
#include <meterhub/base/logging.h>
#include <meterhub/connector/embedded_transport.h>
#include <meterhub/ns/feed_server.h>

#include "ns_options.h"
#include "platform.h"

namespace meterhub::app {
namespace {

// A feed of its own on the server's loop, which hands out keys to connected NS processes only.
class FeedOffer {
 public:
  FeedOffer(const registry::Store& store, net::EventLoop& loop) : feed_(store, loop) {}
  base::Result<void> listen(net::EventLoop& loop, base::Metrics& metrics, ns::FeedServerOptions options) {
    server_ = MH_TRY(ns::FeedServer::create(loop, feed_, metrics, std::move(options)));
    return {};
  }
  net::Address address() const { return server_->address(); }
  void drain(base::Task done) {
    server_.reset();
    done();
  }

 private:
  registry::SessionFeed feed_;
  std::unique_ptr<ns::FeedServer> server_;
};

// Lives on the loop, though its connector goes on another thread.
template <class T>
std::shared_ptr<connector::Transport> kept_on(net::EventLoop& loop, std::unique_ptr<T> transport) {
  return {transport.release(), [&loop](T* gone) { run_on(loop, [gone] { delete gone; }); }};
}

}  // namespace

base::Result<std::shared_ptr<connector::Transport>> Platform::new_transport(base::Executor& thread) {
  const auto& kind = settings_.text("ns.transport");
  if (kind == "embedded") {
    if (!plugins_) plugins_ = MH_TRY(decrypt::CipherPlugins::load(settings_.text("ns.plugins")));
    return std::make_shared<connector::EmbeddedTransport>(sessions_, thread, plugins_.get());
  }
  loops_.push_back(MH_TRY(LoopThread::create("ns-transport")));
  auto& loop = loops_.back()->loop();
  if (kind == "udp") {
    auto options = MH_TRY(udp_options(settings_, tls_));
    auto made = ask<base::Result<std::unique_ptr<connector::UdpTransport>>>(
        loop, [&] { return connector::UdpTransport::create(loop, thread, metrics_, std::move(options)); });
    return kept_on(loop, MH_TRY(std::move(made)));
  }
  auto options = MH_TRY(foreign_options(settings_, tls_));
  auto made = ask<base::Result<std::unique_ptr<connector::ForeignTransport>>>(
      loop, [&] { return connector::ForeignTransport::create(loop, thread, metrics_, std::move(options)); });
  return kept_on(loop, MH_TRY(std::move(made)));
}

base::Result<void> Platform::start_feed() {
  const auto& listen = settings_.text("ns.feed_listen");
  if (listen.empty()) return {};
  ns::FeedServerOptions options;
  options.listen = MH_TRY(net::Address::parse(listen));
  options.tls = MH_TRY(net::TlsContext::server({tls_.server, tls_.authority_pem}));
  loops_.push_back(MH_TRY(LoopThread::create("session-feed")));
  auto& loop = loops_.back()->loop();
  std::unique_ptr<FeedOffer> offer;
  auto started = ask<base::Result<void>>(loop, [&] {
    offer = std::make_unique<FeedOffer>(*store_, loop);
    return offer->listen(loop, metrics_, std::move(options));
  });
  if (started) feed_address_ = ask<net::Address>(loop, [&] { return offer->address(); });
  parts_.push_back(std::make_unique<RolePart<FeedOffer, &FeedOffer::drain>>("session-feed", loop, std::move(offer)));
  return started;
}

}  // namespace meterhub::app
