#include <meterhub/decrypt/opener.h>

#include "block.h"

namespace meterhub::decrypt {

using lorawan::PacketError;

namespace {

// Reports longer than this give their memory back: all of them might once have been long.
constexpr std::size_t kPacketsKept = 16;

void add_error(PacketError error, base::Eui64 gateway, std::vector<lorawan::Answer>& out) {
  lorawan::Answer& answer = out.emplace_back();
  answer.kind = lorawan::AnswerKind::kError;
  answer.error = error;
  answer.gateway = gateway;
}

}  // namespace

struct Opener::State {
  State(const SessionTable& s, Options o) : options(o), block(s, options, counters) {}

  const Options options;
  OpenerCounters counters{};
  lorawan::ReportReader reader{};
  Block block;
  std::vector<lorawan::Report> reports;  // of the block; reused

  void finish() {
    block.finish();
    for (lorawan::Report& report : reports) {
      if (report.packets.size() > kPacketsKept) report = {};
    }
  }
};

Opener::Opener(const SessionTable& sessions) : Opener(sessions, Options()) {}
Opener::Opener(const SessionTable& sessions, Options options)
    : state_(std::make_unique<State>(sessions, options)) {}
Opener::~Opener() = default;

void Opener::open(std::span<const Body> bodies, const HintLookup& hints, std::vector<std::vector<lorawan::Answer>>& out) {
  out.clear();
  out.resize(bodies.size());
  state_->reports.resize(bodies.size());
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    const Body& body = bodies[i];
    lorawan::Report& report = state_->reports[i];
    const auto parsed = lorawan::parse_gateway_body(body.bytes, body.gateway);
    const PacketError error = parsed ? state_->reader.read(base::as_text(parsed->json), lorawan::ExtraPolicy::kIgnore, report) : parsed.error();
    if (error != PacketError::kNone) {
      add_error(error, body.gateway, out[i]);
    } else {
      state_->block.add(report, {body.gateway, base::precise(body.enqueued), 0, &hints}, out[i]);
    }
  }
  state_->finish();
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
  out.clear();
  out.resize(datagrams.size());
  state_->reports.resize(datagrams.size());
  for (std::size_t i = 0; i < datagrams.size(); ++i) {
    lorawan::Report& report = state_->reports[i];
    OpenedRequest& request = out[i];
    const PacketError error = state_->reader.read(base::as_text(datagrams[i].body), lorawan::ExtraPolicy::kHonour, report);
    request.extra = std::move(report.extra);
    request.raw = std::move(report.raw);
    if (error != PacketError::kNone) {
      add_error(error, datagrams[i].gateway, request.answers);
      continue;
    }
    const HintLookup hints = lookup_in(request.extra);
    Delivery delivery{datagrams[i].gateway, base::precise(received), 0, &hints};
    if (request.extra) {
      delivery.time = request.extra->time.value_or(delivery.time);
      delivery.first_index = request.extra->first_index;
    }
    state_->block.add(report, delivery, request.answers);
  }
  state_->finish();
}

OpenedRequest Opener::open_request(const lorawan::Datagram& datagram, base::Timestamp received) {
  std::vector<OpenedRequest> out;
  open_requests({&datagram, 1}, received, out);
  return std::move(out.front());
}

const OpenerCounters& Opener::counters() const { return state_->counters; }

}  // namespace meterhub::decrypt
