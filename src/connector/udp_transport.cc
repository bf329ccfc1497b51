#include <meterhub/connector/udp_transport.h>

#include <utility>

#include "udp_peers.h"

namespace meterhub::connector {

UdpTransport::UdpTransport(std::shared_ptr<State> state) : state_(std::move(state)) {}
UdpTransport::~UdpTransport() = default;

base::Result<std::unique_ptr<UdpTransport>> UdpTransport::create(net::EventLoop& loop, base::Executor& executor,
                                                                 base::Metrics& metrics, UdpTransportOptions options) {
  if (options.servers.empty()) return base::fail(base::Errc::kInvalidArgument, "no network server is named");
  if (options.sources < 1 || options.sources > 64) {
    return base::fail(base::Errc::kInvalidArgument, "source sockets must be 1 to 64");
  }
  auto state = std::make_shared<State>(loop, executor, metrics, std::move(options));
  MH_TRY_VOID(state->start(metrics));
  return std::unique_ptr<UdpTransport>(new UdpTransport(std::move(state)));
}

void UdpTransport::open(Block block, Done done) {
  state_->loop().post([weak = std::weak_ptr(state_), block = std::move(block), done = std::move(done)]() mutable {
    if (const auto state = weak.lock()) state->open(std::move(block), std::move(done));
  });
}

const net::Address& UdpTransport::answers_at() const { return state_->answers_at(); }

}  // namespace meterhub::connector
