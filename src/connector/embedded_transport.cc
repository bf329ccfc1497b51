#include <meterhub/connector/embedded_transport.h>

#include <absl/container/flat_hash_map.h>

#include <utility>

namespace meterhub::connector {

struct EmbeddedTransport::State {
  const decrypt::SessionTable& sessions;
  base::Executor& executor;
  decrypt::Opener opener;
  absl::flat_hash_map<std::uint32_t, std::uint32_t> hints;  // address -> last counter
  std::vector<decrypt::Body> bodies;

  State(const decrypt::SessionTable& s, base::Executor& e) : sessions(s), executor(e), opener(s) {}

  std::optional<std::uint32_t> hint(base::DevAddr address) const {
    const auto it = hints.find(address.value);
    return it == hints.end() ? std::nullopt : std::optional(it->second);
  }
  void remember(const lorawan::Answer& answer) {
    if (!answer.proven || !answer.dev_addr) return;
    if (hints.size() >= kHintsMax) hints.clear();
    hints[answer.dev_addr->value] = answer.fcnt;
  }
  std::vector<Opened> open(const Block& block);
};

std::vector<Opened> EmbeddedTransport::State::open(const Block& block) {
  // Read before the table is used: a session that arrives meanwhile makes the answer newer, not older.
  const auto fresh_as_of = sessions.fresh_as_of();
  bodies.clear();
  for (const auto& delivery : block.deliveries) {
    bodies.push_back({base::as_bytes(delivery.body), delivery.gateway, delivery.enqueued});
  }
  std::vector<std::vector<lorawan::Answer>> answers;
  opener.open(bodies, [this](base::DevAddr address) { return hint(address); }, answers);
  std::vector<Opened> out(block.deliveries.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    for (const auto& answer : answers[i]) remember(answer);
    out[i].answers = std::move(answers[i]);
    out[i].fresh_as_of = fresh_as_of;
  }
  return out;
}

EmbeddedTransport::EmbeddedTransport(const decrypt::SessionTable& sessions, base::Executor& executor)
    : state_(std::make_shared<State>(sessions, executor)) {}

EmbeddedTransport::~EmbeddedTransport() = default;

void EmbeddedTransport::open(Block block, Done done) {
  auto opened = state_->open(block);
  state_->executor.post([done = std::move(done), opened = std::move(opened), storage = std::move(block.storage)]() mutable {
    done(std::move(opened));
  });
}

}  // namespace meterhub::connector
