#include <meterhub/decrypt/opener.h>

#include "block.h"

namespace meterhub::decrypt {

using lorawan::PacketError;

struct Opener::State {
  const SessionTable& sessions;
  Options options;
  OpenerCounters counters{};
  lorawan::ReportReader reader{};
};

Opener::Opener(const SessionTable& sessions) : Opener(sessions, Options()) {}
Opener::Opener(const SessionTable& sessions, Options options)
    : state_(std::make_unique<State>(State{.sessions = sessions, .options = options})) {}
Opener::~Opener() = default;

void Opener::open(std::span<const Body> bodies, const HintLookup& hints, std::vector<std::vector<lorawan::Answer>>& out) {
  Block block(state_->sessions, state_->options, state_->counters);
  for (const Body& body : bodies) {
    const auto parsed = lorawan::parse_gateway_body(body.bytes, body.gateway);
    lorawan::Report report;
    const PacketError error = parsed ? state_->reader.read(base::as_text(parsed->json), lorawan::ExtraPolicy::kIgnore, report) : parsed.error();
    if (error != PacketError::kNone) {
      block.add_error(error, body.gateway);
    } else {
      block.add(std::move(report), {body.gateway, base::precise(body.enqueued), 0, &hints});
    }
  }
  out = block.finish();
}

std::vector<lorawan::Answer> Opener::open_body(const Body& body, const HintLookup& hints) {
  std::vector<std::vector<lorawan::Answer>> out;
  open({&body, 1}, hints, out);
  return std::move(out.front());
}

namespace {

// Hints of one request; few, so they are searched in order.
HintLookup lookup_in(const std::optional<lorawan::RequestExtra>& extra) {
  return [&extra](base::DevAddr address) -> std::optional<std::uint32_t> {
    if (!extra) return std::nullopt;
    for (const lorawan::CounterHint& hint : extra->hints) {
      if (hint.address == address) return hint.fcnt;
    }
    return std::nullopt;
  };
}

}  // namespace

void Opener::open_requests(std::span<const lorawan::Datagram> datagrams, base::Timestamp received, std::vector<OpenedRequest>& out) {
  Block block(state_->sessions, state_->options, state_->counters);
  out.clear();
  out.resize(datagrams.size());
  std::vector<HintLookup> hints(datagrams.size());
  for (std::size_t i = 0; i < datagrams.size(); ++i) {
    lorawan::Report report;
    OpenedRequest& request = out[i];
    const PacketError error = state_->reader.read(base::as_text(datagrams[i].body), lorawan::ExtraPolicy::kHonour, report);
    request.extra = std::move(report.extra);
    request.raw = std::move(report.raw);
    if (error != PacketError::kNone) {
      block.add_error(error, datagrams[i].gateway);
      continue;
    }
    hints[i] = lookup_in(request.extra);
    Delivery delivery{datagrams[i].gateway, base::precise(received), 0, &hints[i]};
    if (request.extra) {
      delivery.time = request.extra->time.value_or(delivery.time);
      delivery.first_index = request.extra->first_index;
    }
    block.add(std::move(report), delivery);
  }
  auto answers = block.finish();
  for (std::size_t i = 0; i < out.size(); ++i) out[i].answers = std::move(answers[i]);
}

OpenedRequest Opener::open_request(const lorawan::Datagram& datagram, base::Timestamp received) {
  std::vector<OpenedRequest> out;
  open_requests({&datagram, 1}, received, out);
  return std::move(out.front());
}

const OpenerCounters& Opener::counters() const { return state_->counters; }

}  // namespace meterhub::decrypt
