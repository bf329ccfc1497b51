#include "answer_port.h"

#include <algorithm>
#include <utility>

#include <meterhub/base/logging.h>

namespace meterhub::connector {
namespace {

constexpr std::size_t kConnectionsMax = 1024;

}  // namespace

bool is_allowed(const std::vector<net::Network>& networks, const net::Address& peer) {
  if (networks.empty()) return peer.is_loopback();
  return std::ranges::any_of(networks, [&](const net::Network& one) { return one.contains(peer); });
}

struct AnswerPort::Peer final : net::ConnectionHandler {
  Peer(AnswerPort& p, net::ConnectionPtr c, std::unique_ptr<AnswerReader> r)
      : port(p), connection(std::move(c)), reader(std::move(r)) {
    connection->set_handler(*this);
  }
  ~Peer() override {
    if (connection) connection->abort();
  }

  void on_data(base::BytesView bytes) override {
    if (reader->feed(base::as_text(bytes))) return;
    base::logging::warn("ns_answers_not_readable", {{"peer", connection->peer().text()}});
    port.broken_.add();
    port.remove(*this);
  }
  void on_closed(net::CloseReason /*reason*/, std::string_view /*text*/) override { port.remove(*this); }

  AnswerPort& port;
  net::ConnectionPtr connection;
  std::unique_ptr<AnswerReader> reader;
};

AnswerPort::AnswerPort(AnswerPortOptions options, base::Metrics& metrics, std::function<std::unique_ptr<AnswerReader>()> make_reader)
    : options_(std::move(options)),
      make_reader_(std::move(make_reader)),
      refused_(metrics.counter("meterhub_connector_ns_connections_refused_total", "Answer connections from outside the networks of servers.")),
      broken_(metrics.counter("meterhub_connector_ns_connections_broken_total", "Answer connections ended because they brought no answers.")) {}

AnswerPort::~AnswerPort() = default;

base::Result<std::unique_ptr<AnswerPort>> AnswerPort::open(net::EventLoop& loop, AnswerPortOptions options, base::Metrics& metrics,
                                                           std::function<std::unique_ptr<AnswerReader>()> make_reader) {
  if (!options.listen.is_loopback() && !options.tls && !options.plaintext) {
    return base::fail(base::Errc::kInvalidArgument,
                      "answers on " + options.listen.text() + " carry decrypted readings: TLS, or ns.plaintext = true");
  }
  net::ListenOptions listen;
  listen.tls = options.tls;
  listen.max_connections = kConnectionsMax;
  listen.name = "ns_answers";
  const auto at = options.listen;
  std::unique_ptr<AnswerPort> out(new AnswerPort(std::move(options), metrics, std::move(make_reader)));
  out->listener_ = MH_TRY(net::Listener::tcp(loop, at, std::move(listen), metrics,
                                             [port = out.get()](net::ConnectionPtr c) { port->accept(std::move(c)); }));
  return out;
}

void AnswerPort::accept(net::ConnectionPtr connection) {
  if (!is_allowed(options_.networks, connection->peer())) {
    refused_.add();
    connection->abort();
    return;
  }
  peers_.push_back(std::make_unique<Peer>(*this, std::move(connection), make_reader_()));
}

void AnswerPort::remove(Peer& peer) {
  std::erase_if(peers_, [&](const auto& one) { return one.get() == &peer; });
}

}  // namespace meterhub::connector
