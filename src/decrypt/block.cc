#include "block.h"

#include <algorithm>

#include <meterhub/crypto/secret.h>

#include "reception.h"

namespace meterhub::decrypt {
namespace {

using lorawan::Answer;
using lorawan::AnswerKind;
using lorawan::CounterCandidates;
using lorawan::DataFrame;
using lorawan::PacketError;
using lorawan::Rxpk;
using lorawan::Session;

// Sessions of one address that are tried together with other frames'. More are rare: addresses of a
// large town collide in pairs.
constexpr std::size_t kSessionsAtOnce = 4;
// Counters tried together: as many as the kernel has lanes.
constexpr std::size_t kCountersAtOnce = 8;

void set_error(Answer& answer, PacketError error) {
  answer.kind = AnswerKind::kError;
  answer.error = error;
}

base::BytesView write_message(const DataFrame& frame, std::uint32_t fcnt, std::span<std::uint8_t> out) {
  const auto first = lorawan::mic_block(frame.direction(), frame.dev_addr, fcnt, frame.signed_part.size());
  std::ranges::copy(frame.signed_part, std::ranges::copy(first, out.begin()).out);
  return out.first(first.size() + frame.signed_part.size());
}

bool tag_matches(const crypto::Block& tag, const lorawan::Mic& mic) {
  return crypto::equal_constant_time(base::BytesView(tag).first(mic.size()), mic);
}

std::size_t blocks_of(const DataFrame& frame) { return (frame.payload.size() + sizeof(crypto::Block) - 1) / sizeof(crypto::Block); }

}  // namespace

Block::~Block() { wipe_keys(all_); }

void Block::add(lorawan::Report& report, const Delivery& delivery, std::vector<Answer>& out) {
  out.reserve(report.packets.size() + (report.stat.empty() ? 0 : 1));  // frames refer to their answers
  seen_.clear();
  for (std::uint32_t i = 0; i < report.packets.size(); ++i) {
    Rxpk& packet = report.packets[i];
    ++counters_.packets;
    if (packet.error != PacketError::kNone) {
      Answer& answer = out.emplace_back();
      answer.gateway = delivery.gateway;
      answer.index = delivery.first_index + i;
      set_error(answer, packet.error);
      continue;
    }
    if (packet.size_differs) ++counters_.size_differs;
    // Nearly every report holds one packet, which is no copy of another.
    Answer* answer = nullptr;
    Answer*& first = report.packets.size() > 1 ? seen_[base::as_text(packet.phy)] : answer;
    if (first == nullptr) first = &answer_of(packet, delivery.first_index + i, delivery, out);
    first->receptions.push_back(reception_of(packet, delivery.gateway, delivery.time, options_, counters_));
  }
  for (Answer& answer : out) lorawan::merge_receptions(answer.receptions);
  if (report.stat.empty()) return;
  Answer& answer = out.emplace_back();
  answer.kind = AnswerKind::kGateway;
  answer.gateway = delivery.gateway;
  answer.time = delivery.time;
  answer.stat = std::move(report.stat);
}

Answer& Block::answer_of(Rxpk& packet, std::uint32_t index, const Delivery& delivery, std::vector<Answer>& out) {
  Answer& answer = out.emplace_back();
  answer.gateway = delivery.gateway;
  answer.index = index;
  add_frame(answer, packet, delivery);
  return answer;
}

void Block::add_frame(Answer& answer, Rxpk& packet, const Delivery& delivery) {
  const auto frame = lorawan::parse_frame(packet.phy);
  if (!frame) return set_error(answer, frame.error());
  if (const auto* join = std::get_if<lorawan::JoinRequestFrame>(&*frame)) {
    answer.kind = AnswerKind::kJoin;
    answer.join.assign(join->bytes.begin(), join->bytes.end());
    return;
  }
  const auto* data = std::get_if<DataFrame>(&*frame);
  if (data == nullptr || data->direction() == lorawan::Direction::kDown) return set_error(answer, PacketError::kMtype);
  answer.tx = std::move(packet.tx);
  answer.tx.adr = data->adr;
  answer.dev_addr = data->dev_addr;
  answer.fcnt16 = data->fcnt16;
  Waiting& waiting = waiting_.emplace_back();
  waiting.answer = &answer;
  waiting.frame = *data;
  if (delivery.hints != nullptr && *delivery.hints) waiting.hint = (*delivery.hints)(data->dev_addr);
}

void Block::find_sessions() {
  addresses_.clear();
  for (const Waiting& waiting : waiting_) addresses_.push_back(waiting.frame.dev_addr);
  sessions_.find(addresses_, kSessionsAtOnce, found_);
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    waiting_[i].sessions = found_.of(i);
    if (waiting_[i].sessions.empty()) set_error(*waiting_[i].answer, PacketError::kUnknownDevaddr);
  }
}

// From the hint, or from what the session itself remembers: its last high word.
CounterCandidates Block::candidates(const Waiting& waiting, const Session& session) const {
  auto last = waiting.hint;
  if (!last && session.last_high_word != 0) last = std::uint32_t{session.last_high_word} << 16 | waiting.frame.fcnt16;
  return {waiting.frame.fcnt16, last, options_.max_high};
}

// Nearly every frame is proven by one of its address's newest sessions and that one's nearest
// counter: those tags are computed together.
void Block::prove_first_guesses() {
  if (messages_.size() < found_.sessions.size()) messages_.resize(found_.sessions.size());
  tags_.clear();
  const auto guess = [this](const Waiting& waiting, const Session& session) {
    return candidates(waiting, session).next().value_or(waiting.frame.fcnt16);
  };
  for (const Waiting& waiting : waiting_) {
    for (const Session& session : waiting.sessions) {
      tags_.push_back({&session.nwk_skey, write_message(waiting.frame, guess(waiting, session), messages_[tags_.size()].bytes), {}});
    }
  }
  crypto::aes_cmac_batch(tags_);
  counters_.counter_tries += tags_.size();
  auto tag = tags_.begin();
  for (Waiting& waiting : waiting_) {
    if (!waiting.sessions.empty()) waiting.answer->fcnt = guess(waiting, waiting.sessions.front());
    for (Session& session : waiting.sessions) {
      const bool good = tag_matches((tag++)->tag, waiting.frame.mic);
      if (!good || waiting.session != nullptr) continue;
      waiting.session = &session;
      waiting.answer->fcnt = guess(waiting, session);
    }
  }
}

bool Block::search(Waiting& waiting, const Session& session) {
  auto left = candidates(waiting, session);
  std::array<MicMessage, kCountersAtOnce> messages;
  std::array<crypto::CmacJob, kCountersAtOnce> tags;
  std::array<std::uint32_t, kCountersAtOnce> counters;
  for (;;) {
    std::size_t count = 0;
    for (; count < kCountersAtOnce; ++count) {
      const auto next = left.next();
      if (!next) break;
      counters[count] = *next;
      tags[count] = {&session.nwk_skey, write_message(waiting.frame, *next, messages[count].bytes), {}};
    }
    if (count == 0) return false;
    crypto::aes_cmac_batch(std::span(tags).first(count));
    counters_.counter_tries += count;
    for (std::size_t i = 0; i < count; ++i) {
      if (!tag_matches(tags[i].tag, waiting.frame.mic)) continue;
      waiting.answer->fcnt = counters[i];
      return true;
    }
  }
}

void Block::prove_the_rest() {
  for (Waiting& waiting : waiting_) {
    if (waiting.session != nullptr || waiting.sessions.empty()) continue;
    sessions_.find(waiting.frame.dev_addr, all_);
    const auto proof = std::ranges::find_if(all_, [&](const Session& session) { return search(waiting, session); });
    if (proof == all_.end()) {
      set_error(*waiting.answer, PacketError::kMic);
    } else {
      waiting.answer->searched = true;
      waiting.sessions.front() = *proof;
      waiting.session = &waiting.sessions.front();
    }
  }
  wipe_keys(all_);
}

void Block::encrypt_streams() {
  streams_.clear();
  encryptions_.clear();
  for (const Waiting& waiting : waiting_) {
    if (waiting.session == nullptr) continue;
    for (std::size_t b = 1; b <= blocks_of(waiting.frame); ++b) {
      streams_.push_back(lorawan::counter_block(waiting.frame.direction(), waiting.frame.dev_addr, waiting.answer->fcnt, static_cast<std::uint8_t>(b)));
    }
  }
  auto* stream = streams_.data();
  for (const Waiting& waiting : waiting_) {
    if (waiting.session == nullptr) continue;
    const lorawan::AesKey& key = waiting.frame.port == 0 ? waiting.session->nwk_skey : waiting.session->app_skey;
    encryptions_.push_back({&key, {stream, blocks_of(waiting.frame)}});
    stream += blocks_of(waiting.frame);
  }
  crypto::aes128_encrypt_batch(encryptions_);
}

// A proven frame's answer. Without a port the frame options are the MAC commands.
void Block::complete(Waiting& waiting, std::span<const crypto::Block> stream) {
  Answer& answer = *waiting.answer;
  const DataFrame& frame = waiting.frame;
  if (frame.port.value_or(0) >= 224) return set_error(answer, PacketError::kPortReserved);
  answer.kind = frame.port.value_or(0) > 0 ? AnswerKind::kApp : AnswerKind::kMote;
  if (frame.port) {
    answer.payload.assign(frame.payload.begin(), frame.payload.end());
    for (std::size_t i = 0; i < answer.payload.size(); ++i) {
      answer.payload[i] = static_cast<std::uint8_t>(answer.payload[i] ^ stream[i / sizeof(crypto::Block)][i % sizeof(crypto::Block)]);
    }
  } else {
    answer.payload.assign(frame.fopts.begin(), frame.fopts.end());
  }
  answer.port = frame.port;
  answer.device = waiting.session->dev_eui;
  answer.meter = waiting.session->meter;
  answer.session = waiting.session->number;
  answer.mic = frame.mic;
  answer.confirmed = frame.confirmed();
  answer.proven = true;
}

void Block::finish() {
  find_sessions();
  prove_first_guesses();
  prove_the_rest();
  encrypt_streams();
  auto encryption = encryptions_.begin();
  for (Waiting& waiting : waiting_) {
    if (waiting.session != nullptr) complete(waiting, (encryption++)->blocks);
  }
  waiting_.clear();
  found_.clear();
}

}  // namespace meterhub::decrypt
