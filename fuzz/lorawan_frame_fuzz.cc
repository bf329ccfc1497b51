// Frames off the air, joins too, with AES of both implementations.
#include <meterhub/crypto/aes.h>
#include <meterhub/lorawan/counter.h>
#include <meterhub/lorawan/frame.h>
#include <meterhub/lorawan/join.h>

#include <set>

#include "crypto/aes_engine.h"
#include "input.h"

namespace meterhub::lorawan {
namespace {

using base::Bytes;
using base::BytesView;
using fuzz::require;

AesKey key_of(fuzz::Input& input) {
  AesKey key{};
  std::ranges::copy(input.take(key.size()), key.begin());
  return key;
}

// The kernel and OpenSSL agree, on messages of all lengths side by side.
void compare_cmac(const AesKey& key, const AesKey& other, BytesView bytes) {
  std::vector<crypto::CmacJob> jobs;
  for (std::size_t size = 0; size <= bytes.size() && jobs.size() < 20; size += 1 + bytes.size() / 19) {
    jobs.push_back({jobs.size() % 3 == 0 ? &key : &other, bytes.first(size), {}});
  }
  auto reference = jobs;
  crypto::evp_cmac_batch(reference);
  crypto::aes_cmac_batch(jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    require(jobs[i].tag == reference[i].tag && crypto::aes_cmac(*jobs[i].key, jobs[i].message) == jobs[i].tag);
  }
}

void compare_encryption(const AesKey& key, const AesKey& other, BytesView bytes) {
  std::vector<crypto::Block> blocks((bytes.size() + 15) / 16);
  for (std::size_t i = 0; i < bytes.size(); ++i) blocks[i / 16][i % 16] = bytes[i];
  auto reference = blocks;
  const auto half = blocks.size() / 2;
  const auto jobs_over = [&](std::vector<crypto::Block>& all) {
    return std::array{crypto::EncryptJob{&key, std::span(all).first(half)}, crypto::EncryptJob{&other, std::span(all).subspan(half)}};
  };
  auto jobs = jobs_over(blocks);
  auto slow = jobs_over(reference);
  crypto::aes128_encrypt_batch(jobs);
  crypto::evp_encrypt_batch(slow);
  require(blocks == reference);
  for (std::size_t i = 0; i < half; ++i) {
    require(crypto::aes128_encrypt(key, crypto::aes128_decrypt(key, blocks[i])) == blocks[i]);
  }
}

DataFrameSpec spec_of(const DataFrame& frame, std::uint32_t fcnt, BytesView plain) {
  return {.mtype = frame.mtype, .dev_addr = frame.dev_addr, .fcnt = fcnt, .adr = frame.adr, .adr_ack_req = frame.adr_ack_req,
          .ack = frame.ack, .bit4 = frame.bit4, .fopts = frame.fopts, .port = frame.port, .payload = plain};
}

// A frame built again from its parts differs from the one received in its MIC, and in bits
// of the first byte that mean nothing, at most.
void check_data(const DataFrame& frame, BytesView bytes, const Session& session, std::uint16_t high) {
  const auto fcnt = std::uint32_t{high} << 16 | frame.fcnt16;
  const Bytes plain = decrypt_payload(frame, session, fcnt);
  const auto built = build_data_frame(spec_of(frame, fcnt, plain), session.nwk_skey, session.app_skey);
  require(built && built->size() == bytes.size());
  require(std::equal(built->begin() + 1, built->end() - 4, bytes.begin() + 1));
  const auto again = parse_frame(*built);
  require(again && std::holds_alternative<DataFrame>(*again));
  const auto& same = std::get<DataFrame>(*again);
  require(mic_matches(same, session.nwk_skey, fcnt) && decrypt_payload(same, session, fcnt) == plain);
  require(!mic_matches(same, session.nwk_skey, fcnt + 0x10000));
  if (frame.signed_part[0] == same.signed_part[0]) require(mic_matches(frame, session.nwk_skey, fcnt) == (frame.mic == same.mic));
}

void check_join_request(const JoinRequestFrame& request, BytesView bytes, const AesKey& key) {
  const Bytes built = build_join_request(key, request.app_eui, request.dev_eui, request.dev_nonce);
  require(std::equal(built.begin() + 1, built.end() - 4, bytes.begin() + 1));
  const auto again = parse_frame(built);
  require(again && join_request_matches(std::get<JoinRequestFrame>(*again), key));
}

void check_join_accept(const AesKey& key, fuzz::Input input) {
  JoinAccept accept{.app_nonce = std::uint32_t{input.number()} << 8 | input.byte(), .net_id = std::uint32_t{input.byte()} << 16 | input.number(),
                    .dev_addr = base::DevAddr(std::uint32_t{input.number()} << 16 | input.number()), .dl_settings = input.byte(), .rx_delay = input.byte(), .cf_list = {}};
  if (input.byte() % 2 == 0) std::ranges::copy(input.take(16), accept.cf_list.emplace().begin());
  const Bytes frame = build_join_accept(key, accept);
  require(open_join_accept(key, frame).value() == accept);
  require(std::holds_alternative<JoinAcceptFrame>(parse_frame(frame).value()));
  Bytes changed = frame;
  changed[1 + input.byte() % (changed.size() - 1)] ^= static_cast<std::uint8_t>(1 + input.byte() % 255);
  require(!open_join_accept(key, changed));
}

void check_counter(std::uint16_t low, std::uint32_t last, std::uint32_t max_high) {
  CounterCandidates candidates(low, last % 5 == 0 ? std::nullopt : std::optional(last), max_high);
  std::set<std::uint32_t> seen;
  while (const auto candidate = candidates.next()) {
    require((*candidate & 0xffff) == low && seen.insert(*candidate).second && seen.size() <= max_high + 3);
  }
  require(!seen.empty());
}

}  // namespace
}  // namespace meterhub::lorawan

MH_FUZZER(lorawan_frame, input) {
  using namespace meterhub::lorawan;
  Session session;
  session.nwk_skey = key_of(input);
  session.app_skey = key_of(input);
  const auto high = input.number();
  const auto bytes = input.rest();
  compare_cmac(session.nwk_skey, session.app_skey, bytes);
  compare_encryption(session.nwk_skey, session.app_skey, bytes);
  check_join_accept(session.app_skey, input);
  static_cast<void>(open_join_accept(session.app_skey, bytes));
  const auto frame = parse_frame(bytes);
  if (!frame) return;
  if (const auto* data = std::get_if<DataFrame>(&*frame)) {
    check_data(*data, bytes, session, high);
    check_counter(data->fcnt16, data->dev_addr.value, high % 100);
  } else if (const auto* request = std::get_if<JoinRequestFrame>(&*frame)) {
    check_join_request(*request, bytes, session.app_skey);
  }
}
