#include <meterhub/connector/embedded_transport.h>

#include <absl/container/flat_hash_map.h>

#include <utility>

#include <meterhub/decrypt/plugin_opener.h>

namespace meterhub::connector {

struct EmbeddedTransport::State {
  const decrypt::SessionTable& sessions;
  base::Executor& executor;
  decrypt::Opener opener;
  decrypt::PluginOpener plugin_opener;
  // Address -> last counter, from the first time on that a counter had to be searched for. What the
  // session's own high word leads to needs no hint, and no walk through a table of all addresses.
  absl::flat_hash_map<std::uint32_t, std::uint32_t> hints;
  std::vector<decrypt::Body> bodies;

  State(const decrypt::SessionTable& s, base::Executor& e, const decrypt::CipherPlugins* plugins)
      : sessions(s), executor(e), opener(s), plugin_opener(plugins) {}

  std::optional<std::uint32_t> hint(base::DevAddr address) const {
    if (hints.empty()) return std::nullopt;
    const auto it = hints.find(address.value);
    return it == hints.end() ? std::nullopt : std::optional(it->second);
  }
  void remember(const lorawan::Answer& answer) {
    if (!answer.proven || !answer.dev_addr) return;
    if (answer.searched) {
      if (hints.size() >= kHintsMax) hints.clear();
      hints[answer.dev_addr->value] = answer.fcnt;
    } else if (!hints.empty()) {
      if (const auto it = hints.find(answer.dev_addr->value); it != hints.end()) it->second = answer.fcnt;
    }
  }
  std::vector<Opened> open(const Block& block);
};

std::vector<Opened> EmbeddedTransport::State::open(const Block& block) {
  // Read before the table is used: a session that arrives meanwhile makes the answer newer, not older.
  const auto fresh_as_of = sessions.fresh_as_of();
  const decrypt::HintLookup lookup = [this](base::DevAddr address) { return hint(address); };
  std::vector<Opened> out(block.deliveries.size());
  std::vector<std::size_t> frames;  // deliveries that go through the opener, as one block
  bodies.clear();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto& delivery = block.deliveries[i];
    const decrypt::Body body{base::as_bytes(delivery.body), delivery.gateway, delivery.enqueued};
    if (!delivery.plugin.empty()) {
      out[i].answers = plugin_opener.open(delivery.plugin, body, lookup);
      continue;
    }
    bodies.push_back(body);
    frames.push_back(i);
  }
  std::vector<std::vector<lorawan::Answer>> answers;
  opener.open(bodies, lookup, answers);
  for (std::size_t k = 0; k < frames.size(); ++k) out[frames[k]].answers = std::move(answers[k]);
  for (auto& opened : out) {
    for (const auto& answer : opened.answers) remember(answer);
    opened.fresh_as_of = fresh_as_of;
  }
  return out;
}

EmbeddedTransport::EmbeddedTransport(const decrypt::SessionTable& sessions, base::Executor& executor,
                                     const decrypt::CipherPlugins* plugins)
    : state_(std::make_shared<State>(sessions, executor, plugins)) {}

EmbeddedTransport::~EmbeddedTransport() = default;

void EmbeddedTransport::open(Block block, Done done) {
  auto opened = state_->open(block);
  state_->executor.post([done = std::move(done), opened = std::move(opened), storage = std::move(block.storage)]() mutable {
    done(std::move(opened));
  });
}

}  // namespace meterhub::connector
