// Two engines joined by a wire that cuts the stream where a seed says.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <meterhub/amqp/engine.h>

namespace meterhub::amqp {

// Writes down what it is told; the behaviour of a small broker by default.
class Recorder : public Listener {
 public:
  Connection* connection = nullptr;
  bool accepts = true;
  std::uint32_t window = 100;
  std::uint64_t max_message_size = 1u << 20;
  bool settles = true;

  struct Arrival {
    SessionId session;
    LinkId link;
    DeliveryId id;
    std::string tag, payload;
    std::uint32_t format;
    bool settled;
  };
  struct Verdict {
    LinkId link;
    DeliveryId first, last;
    Outcome outcome;
    std::string condition;
  };
  std::vector<std::string> events;
  std::vector<Arrival> messages;
  std::vector<Verdict> verdicts;
  std::vector<LinkId> links;
  std::vector<SessionId> sessions;
  std::string last_address, last_filter, last_error;
  bool last_wants_metrics = false;
  std::vector<std::uint64_t> oversized;
  int credits = 0;

  bool count(std::string_view event) const { return std::ranges::count(events, event) > 0; }

  bool on_sasl(const SaslLogin& login) override {
    events.push_back("sasl " + std::string(login.user) + " " + std::string(login.password));
    return login.mechanism != SaslMechanism::kPlain || login.password == "right";
  }
  void on_open(const PeerOpen& open) override { events.push_back("open " + std::string(open.fields.container_id)); }
  void on_session(SessionId session) override { sessions.push_back(session); }
  void on_attach(const PeerAttach& attach) override {
    remember(attach);
    if (!accepts) return connection->refuse(attach.link, {"amqp:not-found", "no such node"});
    AcceptOptions options;
    options.max_message_size = max_message_size;
    connection->accept(attach.link, options);
    if (attach.peer_sends) connection->set_window(attach.link, window);
  }
  void on_attached(const PeerAttach& attach) override { remember(attach); }
  void on_credit(LinkId) override { ++credits; }
  void on_drain(LinkId link) override { connection->drained(link); }
  void on_delivery(const Delivery& d) override {
    events.emplace_back("delivery");
    messages.push_back({d.session, d.link, d.id, std::string(base::as_text(d.tag)),
                        std::string(base::as_text(d.payload)), d.message_format, d.settled});
    if (settles && !d.settled) connection->settle(d.session, d.id, d.id, Outcome::kAccepted);
  }
  void on_oversized(LinkId, std::uint64_t bytes) override { oversized.push_back(bytes); }
  void on_outcome(LinkId link, DeliveryId first, DeliveryId last, Outcome outcome, const ErrorView& error) override {
    events.emplace_back("verdict");
    verdicts.push_back({link, first, last, outcome, std::string(error.condition)});
  }
  void on_detached(LinkId, const ErrorView& error) override {
    events.push_back("detached");
    last_error = error.condition;
  }
  void on_session_ended(SessionId, const ErrorView& error) override {
    events.push_back("ended");
    last_error = error.condition;
  }
  void on_closed(const ErrorView& error, bool by_peer) override {
    events.push_back(by_peer ? "closed by peer" : "closed");
    last_error = error.condition;
  }

 private:
  void remember(const PeerAttach& attach) {
    links.push_back(attach.link);
    last_address = attach.address();
    last_wants_metrics =
        attach.fields.desired_capabilities.contains_symbol("com.microsoft:enable-receiver-runtime-metric");
    if (attach.source) {
      if (const auto filter = attach.source->filter.find("apache.org:selector-filter:string")) {
        last_filter = filter->described()->string().value_or("");
      }
    }
  }
};

struct Pair {
  explicit Pair(Options client_options = client(), Options server_options = {}, unsigned seed = 1)
      : random(seed), to_server(client_options, at_client, now), to_client(server_options, at_server, now) {
    at_client.connection = &to_server;
    at_server.connection = &to_client;
  }
  static Options client() {
    Options options;
    options.role = Role::kClient;
    options.container_id = "client";
    return options;
  }

  // Carries bytes both ways until neither side has more.
  void run() {
    while (carry(to_server, to_client) | carry(to_client, to_server)) {
    }
  }

  base::MonotonicTime now{std::chrono::seconds(1)};
  std::mt19937 random;
  Recorder at_client, at_server;
  Connection to_server, to_client;  // the client's engine, the server's engine

 private:
  bool carry(Connection& from, Connection& to) {
    const base::BytesView view = from.output();
    if (view.empty()) return false;
    const std::size_t most = std::uniform_int_distribution<std::size_t>(0, 1)(random) ? 7 : 5000;
    const std::size_t part = std::min(view.size(), std::uniform_int_distribution<std::size_t>(1, most)(random));
    const base::Bytes bytes(view.begin(), view.begin() + static_cast<std::ptrdiff_t>(part));
    from.consumed(part);
    to.feed(bytes, now);
    return true;
  }
};

}  // namespace meterhub::amqp
