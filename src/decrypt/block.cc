#include "block.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>

#include <meterhub/crypto/secret.h>
#include <meterhub/lorawan/counter.h>

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

void set_error(Answer& answer, PacketError error) {
  answer.kind = AnswerKind::kError;
  answer.error = error;
}

// The hint, or what the session itself remembers: its last high word.
std::optional<std::uint32_t> last_counter(const Delivery& delivery, const DataFrame& frame, const Session& session) {
  if (delivery.hints != nullptr && *delivery.hints) {
    if (const auto hint = (*delivery.hints)(frame.dev_addr)) return hint;
  }
  if (session.last_high_word == 0) return std::nullopt;
  return std::uint32_t{session.last_high_word} << 16 | frame.fcnt16;
}

// B0 and the signed part in one piece.
struct MicMessage {
  std::array<std::uint8_t, 16 + lorawan::kFrameSizeMax> bytes;
  std::size_t size;
};
void write_message(const DataFrame& frame, std::uint32_t fcnt, MicMessage& out) {
  const auto first = lorawan::mic_block(frame.direction(), frame.dev_addr, fcnt, frame.signed_part.size());
  const auto end = std::ranges::copy(frame.signed_part, std::ranges::copy(first, out.bytes.begin()).out).out;
  out.size = static_cast<std::size_t>(end - out.bytes.begin());
}

bool tag_matches(const crypto::Block& tag, const lorawan::Mic& mic) {
  return crypto::equal_constant_time(base::BytesView(tag).first(mic.size()), mic);
}

}  // namespace

Block::~Block() {
  wipe_keys(found_);
  for (Item& item : items_) {
    crypto::wipe(item.session.nwk_skey);
    crypto::wipe(item.session.app_skey);
  }
}

Block::Item& Block::new_item(std::size_t report, const Delivery& delivery, std::uint32_t index) {
  Item& item = items_.emplace_back();
  item.report = report;
  item.delivery = &delivery;
  item.answer.gateway = delivery.gateway;
  item.answer.index = index;
  return item;
}

void Block::add_error(PacketError error, base::Eui64 gateway) {
  Item& item = items_.emplace_back();
  item.report = reports_.size();
  item.answer.gateway = gateway;
  set_error(item.answer, error);
  reports_.emplace_back();
}

void Block::add(lorawan::Report&& report, const Delivery& delivery) {
  const std::size_t number = reports_.size();
  const Delivery& kept = *deliveries_.emplace_back(std::make_unique<Delivery>(delivery));
  lorawan::Report& own = reports_.emplace_back(std::move(report));
  absl::flat_hash_map<std::string_view, std::size_t> seen;  // frame bytes -> item
  for (std::uint32_t i = 0; i < own.packets.size(); ++i) {
    Rxpk& packet = own.packets[i];
    ++counters_.packets;
    if (packet.error != PacketError::kNone) {
      set_error(new_item(number, kept, kept.first_index + i).answer, packet.error);
      continue;
    }
    if (packet.size_differs) ++counters_.size_differs;
    const auto [first, is_new] = seen.try_emplace(base::as_text(packet.phy), items_.size());
    if (is_new) add_frame(new_item(number, kept, kept.first_index + i), packet);
    items_[first->second].answer.receptions.push_back(reception_of(packet, kept.gateway, kept.time, options_, counters_));
  }
  if (!own.stat.empty()) {
    Item& item = items_.emplace_back();
    item.report = number;
    item.answer.kind = AnswerKind::kGateway;
    item.answer.gateway = kept.gateway;
    item.answer.time = kept.time;
    item.answer.stat = std::move(own.stat);
  }
}

void Block::add_frame(Item& item, const Rxpk& packet) {
  const auto frame = lorawan::parse_frame(packet.phy);
  if (!frame) return set_error(item.answer, frame.error());
  if (const auto* join = std::get_if<lorawan::JoinRequestFrame>(&*frame)) {
    item.answer.kind = AnswerKind::kJoin;
    item.answer.join.assign(join->bytes.begin(), join->bytes.end());
    return;
  }
  const auto* data = std::get_if<DataFrame>(&*frame);
  if (data == nullptr || data->direction() == lorawan::Direction::kDown) return set_error(item.answer, PacketError::kMtype);
  item.is_data = true;
  item.frame = *data;
  item.answer.tx = packet.tx;
  item.answer.tx.adr = data->adr;
  item.answer.dev_addr = data->dev_addr;
  item.answer.fcnt16 = data->fcnt16;
}

void Block::take(Item& item, const Session& session, std::uint32_t fcnt) {
  item.proven = true;
  item.session = session;
  item.answer.fcnt = fcnt;
}

// Nearly every frame is proven by the newest session and the nearest counter: those tags are
// computed together.
void Block::prove_first_guesses() {
  std::vector<MicMessage> messages(items_.size());
  std::vector<crypto::CmacJob> jobs;
  std::vector<std::size_t> owners;
  jobs.reserve(items_.size());
  for (std::size_t i = 0; i < items_.size(); ++i) {
    Item& item = items_[i];
    if (!item.is_data) continue;
    sessions_.find(item.frame.dev_addr, found_);
    if (found_.empty()) {
      set_error(item.answer, PacketError::kUnknownDevaddr);
      item.is_data = false;
      continue;
    }
    item.session = found_.front();
    CounterCandidates candidates(item.frame.fcnt16, last_counter(*item.delivery, item.frame, item.session), options_.max_high);
    item.answer.fcnt = candidates.next().value_or(item.frame.fcnt16);
    write_message(item.frame, item.answer.fcnt, messages[i]);
    jobs.push_back({&item.session.nwk_skey, base::BytesView(messages[i].bytes).first(messages[i].size), {}});
    owners.push_back(i);
  }
  crypto::aes_cmac_batch(jobs);
  counters_.counter_tries += jobs.size();
  for (std::size_t j = 0; j < jobs.size(); ++j) items_[owners[j]].proven = tag_matches(jobs[j].tag, items_[owners[j]].frame.mic);
}

bool Block::search(Item& item, const std::vector<Session>& sessions) {
  for (const Session& session : sessions) {
    CounterCandidates candidates(item.frame.fcnt16, last_counter(*item.delivery, item.frame, session), options_.max_high);
    while (const auto fcnt = candidates.next()) {
      ++counters_.counter_tries;
      if (!lorawan::mic_matches(item.frame, session.nwk_skey, *fcnt)) continue;
      take(item, session, *fcnt);
      return true;
    }
  }
  return false;
}

void Block::prove_the_rest() {
  for (Item& item : items_) {
    if (!item.is_data || item.proven) continue;
    sessions_.find(item.frame.dev_addr, found_);
    if (search(item, found_)) continue;
    set_error(item.answer, PacketError::kMic);
    item.is_data = false;
  }
}

void Block::decrypt() {
  std::vector<std::array<crypto::Block, 16>> streams(items_.size());
  std::vector<crypto::EncryptJob> jobs;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    Item& item = items_[i];
    if (!item.is_data) continue;
    const DataFrame& frame = item.frame;
    const std::size_t blocks = (frame.payload.size() + 15) / 16;
    for (std::size_t b = 0; b < blocks; ++b) {
      streams[i][b] = lorawan::counter_block(frame.direction(), frame.dev_addr, item.answer.fcnt, static_cast<std::uint8_t>(b + 1));
    }
    const lorawan::AesKey& key = frame.port == 0 ? item.session.nwk_skey : item.session.app_skey;
    jobs.push_back({&key, std::span(streams[i]).first(blocks)});
  }
  crypto::aes128_encrypt_batch(jobs);
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const base::BytesView cipher = items_[i].is_data ? items_[i].frame.payload : base::BytesView();
    base::Bytes& plain = items_[i].answer.payload;
    plain.resize(cipher.size());
    for (std::size_t b = 0; b < cipher.size(); ++b) plain[b] = static_cast<std::uint8_t>(cipher[b] ^ streams[i][b / 16][b % 16]);
  }
}

// A proven frame's answer. Without a port the frame options are the MAC commands.
void Block::complete(Item& item) {
  Answer& answer = item.answer;
  const DataFrame& frame = item.frame;
  if (frame.port.value_or(0) >= 224) {
    answer.payload.clear();
    return set_error(answer, PacketError::kPortReserved);
  }
  answer.kind = frame.port.value_or(0) > 0 ? AnswerKind::kApp : AnswerKind::kMote;
  if (!frame.port) answer.payload.assign(frame.fopts.begin(), frame.fopts.end());
  answer.port = frame.port;
  answer.device = item.session.dev_eui;
  answer.meter = item.session.meter;
  answer.session = item.session.number;
  answer.mic = frame.mic;
  answer.confirmed = frame.confirmed();
  answer.proven = true;
}

std::vector<std::vector<Answer>> Block::finish() {
  prove_first_guesses();
  prove_the_rest();
  decrypt();
  std::vector<std::vector<Answer>> out(reports_.size());
  for (Item& item : items_) {
    if (item.is_data) complete(item);
    lorawan::merge_receptions(item.answer.receptions);
    out[item.report].push_back(std::move(item.answer));
  }
  return out;
}

}  // namespace meterhub::decrypt
