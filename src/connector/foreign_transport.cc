#include <meterhub/connector/foreign_transport.h>

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <bit>
#include <deque>
#include <numeric>
#include <utility>

#include <meterhub/base/logging.h>
#include <meterhub/lorawan/gwmp.h>
#include <meterhub/lorawan/report.h>
#include <meterhub/net/udp.h>
#include <meterhub/reading/reading.h>

#include "answer_port.h"
#include "answers_again.h"
#include "wire_request.h"

namespace meterhub::connector {
namespace {

using lorawan::Answer;
using lorawan::AnswerKind;
using lorawan::PacketError;

constexpr std::chrono::milliseconds kTick{20};
// Answers that came while nothing was under way wait for the next block.
constexpr std::size_t kStrayMax = 4096;
// Of a server that is not known to answer a body twice: passes until its silence is believed while it is connected.
constexpr int kSilentPasses = 6;
// So few datagrams fit into any server's receive buffer: none is lost for want of room.
constexpr std::size_t kShortPass = 16;
// So long a pass waits while answers come that are new to nobody: a server that was away works through what piled up.
constexpr std::chrono::seconds kPiledUp{30};
// Blocks after which a server is tried whether it answers a body twice.
constexpr int kTrials = 8;

// A delivery of the block under way.
struct Item {
  std::size_t expected = 1;  // packets in the body
  std::size_t answered = 0;
  bool opaque = true;                     // not a gateway's JSON: nothing tells its answer from another's
  std::vector<std::uint16_t> counters{};  // of frames not answered yet
};

struct Job {
  Block block;
  Transport::Done done;
  std::vector<Opened> opened{};
  std::vector<Item> items{};
  std::size_t expected = 0;
  std::size_t answered = 0;
  std::size_t first_server = 0;
  // A pass sends all that lacks an answer, and then waits.
  int passes = 0;
  std::vector<std::size_t> pass{};  // items
  std::size_t next = 0;             // of the pass
  std::size_t in_window = 0;        // packets sent, neither answered nor written off
  bool heard = false;               // an answer or an acknowledgement came
  bool heard_behind = false;        // one came after the pass was sent whole
  bool lively_before = false;       // the server was there when the pass began
  base::MonotonicTime last_sent{};
  base::MonotonicTime last_progress{};
  AnswerNames seen{};
};

// What names one reception of one packet, for telling the resend's answers from new ones.
std::string key_of(const Answer& answer) {
  std::string out = answer.device.text() + std::to_string(answer.fcnt) + '/' + answer.receptions.front().gateway.text() + '/';
  out += base::as_text(answer.payload);
  return out;
}

// About the whole body: answers say nothing of its packets.
Answer error_answer(PacketError error, const Delivery& delivery) {
  Answer out;
  out.kind = AnswerKind::kError;
  out.error = error;
  out.gateway = delivery.gateway;
  return out;
}

bool is_reading(const Answer& answer) { return answer.kind == AnswerKind::kApp || answer.kind == AnswerKind::kMote; }

}  // namespace

class ForeignTransport::State final : public net::UdpHandler, public std::enable_shared_from_this<ForeignTransport::State> {
 public:
  State(net::EventLoop& loop, base::Executor& executor, base::Metrics& metrics, ForeignTransportOptions options);
  base::Result<void> start(base::Metrics& metrics);
  void open(Block block, Done done);
  net::EventLoop& loop() { return loop_; }
  const net::Address& answers_at() const { return port_->address(); }
  void on_datagrams(std::span<const net::Datagram> block) override;

 private:
  struct ObjectReader;

  void begin_next();
  Item item_of(std::string_view body);
  void begin_pass(std::vector<std::size_t> items);
  std::vector<std::size_t> lacking() const;
  void pump();
  void send(std::size_t item);
  void ask_known(std::size_t bodies);
  void object(std::string_view text);
  void put(Answer answer);
  std::size_t item_for(const Answer& answer) const;
  void plan_tick();
  void tick();
  void wait_is_over();
  bool is_lively() const;
  void hear();
  void keep_for_next_block(Answer answer);
  void learn(const Job& job);
  void finish_if_answered();
  void finish();
  base::MonotonicTime now() const { return loop_.clock().monotonic(); }

  net::EventLoop& loop_;
  base::Executor& executor_;
  const ForeignTransportOptions options_;
  lorawan::ReportReader reader_;
  std::deque<Job> waiting_;
  std::optional<Job> job_;
  std::vector<Answer> stray_;
  KnownBodies known_;
  Echoes echoes_;  // of blocks that were sent more than once
  int trials_left_ = kTrials;
  std::size_t next_server_ = 0;
  bool tick_planned_ = false;
  base::Counter& sent_;
  base::Counter& resent_;
  base::Counter& answered_;
  base::Counter& unanswered_;
  base::Counter& repeated_;
  base::Counter& malformed_;
  base::Counter& dropped_;
  std::unique_ptr<net::UdpSocket> socket_;
  std::unique_ptr<AnswerPort> port_;
};

struct ForeignTransport::State::ObjectReader final : AnswerReader {
  explicit ObjectReader(State& s) : state(s), stream(lorawan::kBodySizeMax) {}
  bool feed(std::string_view bytes) override {
    std::vector<std::string> objects;
    const bool good = stream.feed(bytes, objects);
    for (const auto& one : objects) state.object(one);
    state.pump();
    state.finish_if_answered();
    return good;
  }

  State& state;
  lorawan::ObjectStream stream;
};

ForeignTransport::State::State(net::EventLoop& loop, base::Executor& executor, base::Metrics& metrics, ForeignTransportOptions options)
    : loop_(loop),
      executor_(executor),
      options_(std::move(options)),
      sent_(metrics.counter("meterhub_connector_foreign_sent_total", "Packets sent to the vendor's server.")),
      resent_(metrics.counter("meterhub_connector_foreign_resent_total", "Bodies sent again for want of answers.")),
      answered_(metrics.counter("meterhub_connector_foreign_answered_total", "Packets that the vendor's server answered.")),
      unanswered_(metrics.counter("meterhub_connector_foreign_unanswered_total", "Packets without an answer, put aside.")),
      repeated_(metrics.counter("meterhub_connector_foreign_repeated_total", "Answers that had come before.")),
      malformed_(metrics.counter("meterhub_connector_foreign_malformed_total", "Objects that are no answer.")),
      dropped_(metrics.counter("meterhub_connector_foreign_dropped_total", "Answers dropped: too many came while nothing was asked.")) {}

base::Result<void> ForeignTransport::State::start(base::Metrics& metrics) {
  port_ = MH_TRY(AnswerPort::open(loop_, {options_.listen, options_.networks, options_.tls, options_.plaintext}, metrics,
                                  [this] { return std::make_unique<ObjectReader>(*this); }));
  socket_ = MH_TRY(net::UdpSocket::bind(loop_, options_.bind, {}, *this));
  return {};
}

void ForeignTransport::State::open(Block block, Done done) {
  waiting_.push_back(Job{.block = std::move(block), .done = std::move(done)});
  if (!job_) begin_next();
}

// What answers are waited for: the whole packets of a gateway's JSON, else one for the body.
Item ForeignTransport::State::item_of(std::string_view body) {
  const bool datagram = !body.empty() && (body.front() == 1 || body.front() == 2);
  const auto json = datagram ? body.substr(std::min<std::size_t>(body.size(), 12)) : body;
  lorawan::Report report;
  if (body.size() > kDatagramMax) return {.expected = 0};
  if (reader_.read(json, lorawan::ExtraPolicy::kIgnore, report) != PacketError::kNone) return {};
  Item out{.expected = 0, .opaque = false};
  for (const auto& packet : report.packets) {
    if (packet.error != PacketError::kNone) continue;
    ++out.expected;
    if (packet.phy.size() >= 8) out.counters.push_back(static_cast<std::uint16_t>(packet.phy[6] | packet.phy[7] << 8));
  }
  return out;
}

void ForeignTransport::State::begin_next() {
  if (waiting_.empty()) return;
  job_ = std::move(waiting_.front());
  waiting_.pop_front();
  auto& job = *job_;
  job.opened.resize(job.block.deliveries.size());
  job.items.resize(job.opened.size());
  for (std::size_t i = 0; i < job.items.size(); ++i) {
    const auto& body = job.block.deliveries[i].body;
    job.items[i] = item_of(body);
    if (body.size() > kDatagramMax) {
      job.opened[i].answers.push_back(error_answer(PacketError::kBodySize, job.block.deliveries[i]));
    }
    job.expected += job.items[i].expected;
  }
  if (!job.opened.empty()) std::ranges::move(stray_, std::back_inserter(job.opened.front().answers));
  if (!job.opened.empty()) stray_.clear();
  job.first_server = next_server_++;
  std::vector<std::size_t> all(job.items.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  begin_pass(std::move(all));
  plan_tick();
}

void ForeignTransport::State::begin_pass(std::vector<std::size_t> items) {
  auto& job = *job_;
  ++job.passes;
  job.pass = std::move(items);
  job.next = job.in_window = 0;
  job.heard_behind = false;
  job.last_progress = now();
  pump();
}

void ForeignTransport::State::plan_tick() {
  if (std::exchange(tick_planned_, true)) return;
  loop_.after(kTick, [weak = weak_from_this()] {
    if (const auto state = weak.lock()) state->tick();
  });
}

// Sends while fewer packets than the window holds wait for their answers; behind a repeated pass what shows
// whether anybody is there.
void ForeignTransport::State::pump() {
  if (!job_) return;
  auto& job = *job_;
  while (job.next < job.pass.size() && job.in_window < options_.window) {
    const auto at = job.pass[job.next++];
    const auto& item = job.items[at];
    send(at);
    const bool again = job.passes > 1;
    job.in_window += std::max<std::size_t>(item.expected - item.answered, again ? 1U : 0U);
    if (again) resent_.add();
    else sent_.add(item.expected);
    job.last_sent = job.last_progress = now();
    if (again && job.next == job.pass.size()) ask_known(KnownBodies::kBodiesMax);
  }
}

// Each pass goes to another server, when there are several.
void ForeignTransport::State::send(std::size_t item) {
  const auto& job = *job_;
  const auto& body = job.block.deliveries[item].body;
  if (body.size() > kDatagramMax) return;
  const auto server = job.first_server + item + static_cast<std::size_t>(job.passes);
  socket_->send(options_.servers[server % options_.servers.size()], base::as_bytes(body));
}

void ForeignTransport::State::ask_known(std::size_t bodies) {
  bodies = std::min(bodies, known_.bodies().size());
  if (bodies == 0) return;
  for (std::size_t i = 0; i < bodies; ++i) {
    socket_->send(options_.servers[next_server_++ % options_.servers.size()], base::as_bytes(known_.bodies()[i]));
  }
  known_.asked(now());
}

void ForeignTransport::State::hear() {
  if (!job_) return;
  job_->heard = true;
  if (job_->next == job_->pass.size()) job_->heard_behind = true;
}

// Forwarders' acknowledgements, from servers that send them: only a sign of life.
void ForeignTransport::State::on_datagrams(std::span<const net::Datagram> block) {
  for (const auto& datagram : block) {
    if (std::ranges::find(options_.servers, datagram.peer) != options_.servers.end()) hear();
  }
}

void ForeignTransport::State::object(std::string_view text) {
  auto read = lorawan::read_answer(text);
  if (!read) {
    malformed_.add();
    return;
  }
  put(reading::without_claims(std::move(read->answer)));
}

void ForeignTransport::State::keep_for_next_block(Answer answer) {
  if (!is_reading(answer)) return;
  if (stray_.size() == kStrayMax) return dropped_.add();
  stray_.push_back(std::move(answer));
}

void ForeignTransport::State::put(Answer answer) {
  hear();
  if (job_ && now() - job_->last_sent < kPiledUp) job_->last_progress = now();
  const auto key = is_reading(answer) ? key_of(answer) : std::string();
  if (known_.take(key, now()) || echoes_.contains(key, now())) return repeated_.add();
  if (!job_ || job_->items.empty()) return keep_for_next_block(std::move(answer));
  auto& job = *job_;
  if (job.in_window > 0 && answer.kind != AnswerKind::kGateway) --job.in_window;
  if (is_reading(answer)) {
    const bool is_new = job.seen.insert(key).second;
    if (!is_new && job.passes > 1) return repeated_.add();
  }
  job.last_progress = now();
  const auto at = item_for(answer);
  // A gateway's status answers no packet.
  auto& item = job.items[at];
  if (answer.kind != AnswerKind::kGateway && item.answered < item.expected) {
    const auto counter = std::ranges::find(item.counters, static_cast<std::uint16_t>(answer.fcnt));
    if (counter != item.counters.end()) item.counters.erase(counter);
    ++item.answered;
    ++job.answered;
    answered_.add();
  }
  if (answer.kind != AnswerKind::kNothing) job.opened[at].answers.push_back(std::move(answer));
}

// Answers name no request. Best is a body of a gateway that heard the packet, with a frame of its counter;
// then one of that gateway; then any that lacks an answer; the earliest of equals.
std::size_t ForeignTransport::State::item_for(const Answer& answer) const {
  const auto& job = *job_;
  std::size_t best = job.items.size() - 1;
  int best_fit = 0;
  const auto sent = job.passes == 1 ? job.next : job.items.size();
  for (std::size_t i = 0; i < sent && best_fit < 3; ++i) {
    const auto& item = job.items[i];
    if (item.answered >= item.expected) continue;
    const auto heard_by = [&](const lorawan::Reception& one) { return one.gateway == job.block.deliveries[i].gateway; };
    const bool same_gateway = std::ranges::any_of(answer.receptions, heard_by);
    const bool same_counter = std::ranges::find(item.counters, static_cast<std::uint16_t>(answer.fcnt)) != item.counters.end();
    const int fit = !same_gateway ? 1 : same_counter ? 3 : 2;
    if (fit <= best_fit) continue;
    best = i;
    best_fit = fit;
  }
  return best;
}

void ForeignTransport::State::finish_if_answered() {
  if (!job_) return;
  const bool sent = job_->passes > 1 || job_->next == job_->items.size();
  if (sent && job_->answered >= job_->expected) finish();
}

void ForeignTransport::State::tick() {
  tick_planned_ = false;
  finish_if_answered();
  if (!job_) return;
  auto& job = *job_;
  const auto idle = now() - job.last_progress;
  if (idle >= options_.answer_wait) {
    if (job.next == job.pass.size()) {
      wait_is_over();
    } else {
      job.in_window = 0;  // no answer will come to these
      pump();
    }
  }
  if (job_) plan_tick();
}

// A block is over without some answers only after a second pass through which the server was there from
// beginning to end: otherwise what is missing may be lost, and goes again.
void ForeignTransport::State::wait_is_over() {
  auto& job = *job_;
  const bool lively = is_lively();
  const bool whole = job.lively_before || job.pass.size() <= kShortPass;
  if (job.passes > 1 && lively && whole) return finish();
  if (!lively && job.passes > 1 && std::has_single_bit(static_cast<unsigned>(job.passes))) {
    base::logging::warn("vendors_server_is_silent", {{"unanswered", job.expected - job.answered}, {"passes", job.passes}});
  }
  job.lively_before = lively;
  begin_pass(lacking());
}

// Where bodies are known that the server answers any time, silence means that it is away.
bool ForeignTransport::State::is_lively() const {
  if (job_->heard_behind) return true;
  if (known_.tell_of_life()) return false;
  return job_->heard || (port_->connections() > 0 && job_->passes >= kSilentPasses);
}

// Which of a gateway's opaque bodies lacks its answer nobody knows: all of them are sent again.
std::vector<std::size_t> ForeignTransport::State::lacking() const {
  const auto& job = *job_;
  const auto lacks = [](const Item& item) { return item.answered < item.expected; };
  absl::flat_hash_set<std::uint64_t> uncertain;
  for (std::size_t i = 0; i < job.items.size(); ++i) {
    if (job.items[i].opaque && lacks(job.items[i])) uncertain.insert(job.block.deliveries[i].gateway.value);
  }
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < job.items.size(); ++i) {
    if (lacks(job.items[i]) || (job.items[i].opaque && uncertain.contains(job.block.deliveries[i].gateway.value))) out.push_back(i);
  }
  return out;
}

// Of a block that was answered whole at once: its bodies have answers.
void ForeignTransport::State::learn(const Job& job) {
  if (job.passes > 1 || job.answered < job.expected || job.seen.empty() || !known_.wanted(now())) return;
  std::vector<std::string> bodies;
  for (std::size_t i = 0; i < job.items.size() && bodies.size() < KnownBodies::kBodiesMax; ++i) {
    if (job.items[i].answered > 0) bodies.emplace_back(job.block.deliveries[i].body);
  }
  known_.learn(std::move(bodies), job.seen, now());
}

void ForeignTransport::State::finish() {
  Job job = std::move(*job_);
  job_.reset();
  learn(job);
  if (job.passes > 1) echoes_.expect(std::move(job.seen), now());
  if (!known_.tell_of_life() && !known_.bodies().empty() && trials_left_ > 0) {
    --trials_left_;
    ask_known(1);
  }
  for (std::size_t i = 0; i < job.items.size(); ++i) {
    const auto& item = job.items[i];
    if (item.answered >= item.expected) continue;
    unanswered_.add(item.expected - item.answered);
    job.opened[i].answers.push_back(error_answer(PacketError::kNsUnanswered, job.block.deliveries[i]));
  }
  executor_.post([done = std::move(job.done), opened = std::move(job.opened), storage = std::move(job.block.storage)]() mutable {
    done(std::move(opened));
  });
  begin_next();
}

ForeignTransport::ForeignTransport(std::shared_ptr<State> state) : state_(std::move(state)) {}
ForeignTransport::~ForeignTransport() = default;

base::Result<std::unique_ptr<ForeignTransport>> ForeignTransport::create(net::EventLoop& loop, base::Executor& executor,
                                                                         base::Metrics& metrics, ForeignTransportOptions options) {
  if (options.servers.empty()) return base::fail(base::Errc::kInvalidArgument, "no network server is named");
  auto state = std::make_shared<State>(loop, executor, metrics, std::move(options));
  MH_TRY_VOID(state->start(metrics));
  return std::unique_ptr<ForeignTransport>(new ForeignTransport(std::move(state)));
}

void ForeignTransport::open(Block block, Done done) {
  state_->loop().post([weak = std::weak_ptr(state_), block = std::move(block), done = std::move(done)]() mutable {
    if (const auto state = weak.lock()) state->open(std::move(block), std::move(done));
  });
}

const net::Address& ForeignTransport::answers_at() const { return state_->answers_at(); }

}  // namespace meterhub::connector
