#include <meterhub/ns/server.h>

#include <algorithm>
#include <map>
#include <utility>

#include <meterhub/base/logging.h>
#include <meterhub/decrypt/opener.h>
#include <meterhub/decrypt/plugin_opener.h>
#include <meterhub/lorawan/answer.h>
#include <meterhub/lorawan/gwmp.h>
#include <meterhub/net/udp.h>

#include "answer_peers.h"

namespace meterhub::ns {
namespace {

using lorawan::Answer;
using lorawan::AnswerKind;

// Datagrams opened together; the kernel's receive buffer holds what comes meanwhile.
constexpr std::size_t kBlockMax = 1024;

// A datagram that has been acknowledged and waits to be opened.
struct Request {
  net::Address from;
  base::Bytes bytes;
  lorawan::Datagram datagram;  // views into `bytes`
};

class UdpServer final : public Server, public net::UdpHandler {
 public:
  UdpServer(net::EventLoop& loop, const decrypt::SessionTable& sessions, const decrypt::CipherPlugins* plugins,
            base::Metrics& metrics, ServerOptions options);

  base::Result<void> start() {
    socket_ = MH_TRY(net::UdpSocket::bind(loop_, options_.listen, {}, *this));
    return {};
  }
  const net::Address& address() const override { return socket_->address(); }
  void on_datagrams(std::span<const net::Datagram> block) override;

 private:
  bool is_allowed(const net::Address& peer) const;
  void receive(const net::Datagram& datagram);
  void plan_opening();
  void open_waiting();
  void answer(const Request& request, decrypt::OpenedRequest& opened, base::Timestamp received, base::Timestamp snapshot);
  void open_raw(const Request& request, decrypt::OpenedRequest& opened, base::Timestamp received);
  net::Address destination(const Request& request, const decrypt::OpenedRequest& opened);
  base::Counter& dropped(std::string_view reason) {
    return metrics_.counter("meterhub_ns_datagrams_dropped_total", "Datagrams that were not answered, by reason.",
                            {{"reason", std::string(reason)}});
  }

  net::EventLoop& loop_;
  const decrypt::SessionTable& sessions_;
  base::Metrics& metrics_;
  const ServerOptions options_;
  decrypt::Opener opener_;
  decrypt::PluginOpener plugin_opener_;
  AnswerPeers peers_;
  base::Counter& datagrams_;
  base::Counter& packets_;
  std::vector<Request> waiting_;
  std::map<net::Address, std::string> output_;  // lines of the block under way
  bool opening_planned_ = false;
  std::unique_ptr<net::UdpSocket> socket_;
  std::shared_ptr<UdpServer*> alive_ = std::make_shared<UdpServer*>(this);  // ends first: tasks planned see it
};

UdpServer::UdpServer(net::EventLoop& loop, const decrypt::SessionTable& sessions, const decrypt::CipherPlugins* plugins,
                     base::Metrics& metrics, ServerOptions options)
    : loop_(loop),
      sessions_(sessions),
      metrics_(metrics),
      options_(std::move(options)),
      opener_(sessions),
      plugin_opener_(plugins),
      peers_(loop, metrics, {options_.answer_tls, options_.peers_max, options_.peer_output_max}),
      datagrams_(metrics.counter("meterhub_ns_datagrams_total", "Datagrams received.")),
      packets_(metrics.counter("meterhub_ns_packets_total", "Packets opened, well or not.")) {}

bool UdpServer::is_allowed(const net::Address& peer) const {
  if (options_.networks.empty()) return peer.is_loopback();
  return std::ranges::any_of(options_.networks, [&](const net::Network& one) { return one.contains(peer); });
}

void UdpServer::on_datagrams(std::span<const net::Datagram> block) {
  datagrams_.add(block.size());
  for (const auto& datagram : block) receive(datagram);
}

// Acknowledges before it looks at the JSON. A server that has never had sessions stays silent, so that
// connectors leave it out instead of taking its ignorance for a verdict.
void UdpServer::receive(const net::Datagram& datagram) {
  if (!is_allowed(datagram.peer)) return dropped("not_allowed").add();
  if (sessions_.fresh_as_of() == base::Timestamp{}) return dropped("no_sessions").add();
  if (const auto parsed = lorawan::parse_datagram(datagram.bytes); !parsed) return dropped(lorawan::text(parsed.error())).add();
  Request request{datagram.peer, {datagram.bytes.begin(), datagram.bytes.end()}, {}};
  request.datagram = *lorawan::parse_datagram(request.bytes);
  if (const auto ack = lorawan::acknowledgement(request.datagram)) socket_->send(datagram.peer, *ack);
  if (request.datagram.type != lorawan::GwmpType::kPushData) return;
  waiting_.push_back(std::move(request));
  if (waiting_.size() >= kBlockMax) {
    open_waiting();
  } else {
    plan_opening();
  }
}

// In the next iteration: the acknowledgements have then left, whatever happens while opening.
void UdpServer::plan_opening() {
  if (std::exchange(opening_planned_, true)) return;
  loop_.post([weak = std::weak_ptr(alive_)] {
    if (const auto self = weak.lock()) (*self)->open_waiting();
  });
}

void UdpServer::open_waiting() {
  opening_planned_ = false;
  const auto block = std::exchange(waiting_, {});
  const auto received = loop_.clock().now();
  // Read before the table is used: what arrives meanwhile makes the answers newer, not older.
  const auto snapshot = sessions_.fresh_as_of();
  std::vector<lorawan::Datagram> datagrams;
  for (const auto& request : block) datagrams.push_back(request.datagram);
  std::vector<decrypt::OpenedRequest> opened;
  opener_.open_requests(datagrams, received, opened);
  for (std::size_t i = 0; i < block.size(); ++i) answer(block[i], opened[i], received, snapshot);
  for (const auto& [to, lines] : std::exchange(output_, {})) peers_.send(to, lines);
}

void UdpServer::answer(const Request& request, decrypt::OpenedRequest& opened, base::Timestamp received, base::Timestamp snapshot) {
  if (!opened.raw.empty()) open_raw(request, opened, received);
  packets_.add(opened.answers.size());
  lorawan::AnswerEnvelope envelope;
  if (opened.extra) envelope.rid = opened.extra->rid;
  envelope.snapshot = base::precise(snapshot);
  if (envelope.rid.empty() && !options_.error_lines) {
    std::erase_if(opened.answers, [](const Answer& one) { return one.kind == AnswerKind::kError; });
  }
  std::string lines;
  lorawan::append_lines(lines, opened.answers, std::move(envelope));
  if (!lines.empty()) output_[destination(request, opened)] += lines;
}

void UdpServer::open_raw(const Request& request, decrypt::OpenedRequest& opened, base::Timestamp received) {
  const auto time = opened.extra && opened.extra->time ? opened.extra->time->at : received;
  const auto plugin = opened.extra ? opened.extra->plugin : std::string();
  const decrypt::Body body{opened.raw, request.datagram.gateway, time};
  opened.answers = plugin_opener_.open(plugin, body, [&](base::DevAddr address) -> std::optional<std::uint32_t> {
    if (!opened.extra) return std::nullopt;
    const auto hint = std::ranges::find(opened.extra->hints, address, &lorawan::CounterHint::address);
    return hint == opened.extra->hints.end() ? std::nullopt : std::optional(hint->fcnt);
  });
}

// x.ret inside our networks, else where the datagram came from.
net::Address UdpServer::destination(const Request& request, const decrypt::OpenedRequest& opened) {
  if (opened.extra && !opened.extra->answer_to.empty()) {
    const auto asked = net::Address::parse(opened.extra->answer_to);
    if (asked && asked->port != 0 && is_allowed(*asked)) return *asked;
    metrics_.counter("meterhub_ns_return_refused_total", "Answer addresses (x.ret) outside the allowed networks.").add();
  }
  auto back = request.from;
  if (options_.answer_port != 0) back.port = options_.answer_port;
  return back;
}

}  // namespace

base::Result<std::unique_ptr<Server>> Server::create(net::EventLoop& loop, const decrypt::SessionTable& sessions,
                                                     const decrypt::CipherPlugins* plugins, base::Metrics& metrics,
                                                     ServerOptions options) {
  if (options.peers_max == 0 || options.peer_output_max == 0) {
    return base::fail(base::Errc::kInvalidArgument, "limits for answers must not be zero");
  }
  auto out = std::make_unique<UdpServer>(loop, sessions, plugins, metrics, std::move(options));
  MH_TRY_VOID(out->start());
  return out;
}

}  // namespace meterhub::ns
