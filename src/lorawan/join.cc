#include <meterhub/lorawan/join.h>

#include <algorithm>

#include <meterhub/crypto/aes.h>
#include <meterhub/crypto/secret.h>

#include "little_endian.h"

namespace meterhub::lorawan {
namespace {

using base::Bytes;
using base::BytesView;

constexpr std::size_t kAcceptSize = 17;
constexpr std::size_t kAcceptSizeWithList = 33;

Mic join_mic(const AesKey& key, BytesView message) {
  const auto tag = crypto::aes_cmac(key, message);
  return {tag[0], tag[1], tag[2], tag[3]};
}

// Applies `cipher` to each block behind the first byte.
void each_block(Bytes& frame, const AesKey& key, crypto::Block (*cipher)(const crypto::Key128&, const crypto::Block&)) {
  for (std::size_t i = 1; i + 16 <= frame.size(); i += 16) {
    crypto::Block block;
    std::copy_n(&frame[i], 16, block.begin());
    std::ranges::copy(cipher(key, block), &frame[i]);
  }
}

AesKey derive(const AesKey& app_key, std::uint8_t purpose, std::uint32_t app_nonce, std::uint32_t net_id, std::uint16_t dev_nonce) {
  crypto::Block block{};
  block[0] = purpose;
  store_le(&block[1], app_nonce, 3);
  store_le(&block[4], net_id, 3);
  store_le(&block[7], dev_nonce, 2);
  return crypto::aes128_encrypt(app_key, block);
}

}  // namespace

Bytes build_join_request(const AesKey& app_key, base::Eui64 app_eui, base::Eui64 dev_eui, std::uint16_t dev_nonce) {
  Bytes out{0x00};
  append_le(out, app_eui.value, 8);
  append_le(out, dev_eui.value, 8);
  append_le(out, dev_nonce, 2);
  const Mic mic = join_mic(app_key, out);
  out.insert(out.end(), mic.begin(), mic.end());
  return out;
}

bool join_request_matches(const JoinRequestFrame& request, const AesKey& app_key) {
  const Mic wanted = join_mic(app_key, request.bytes.first(request.bytes.size() - request.mic.size()));
  return crypto::equal_constant_time(wanted, request.mic);
}

Bytes build_join_accept(const AesKey& app_key, const JoinAccept& accept) {
  Bytes out{0x20};
  append_le(out, accept.app_nonce, 3);
  append_le(out, accept.net_id, 3);
  append_le(out, accept.dev_addr.value, 4);
  out.push_back(accept.dl_settings);
  out.push_back(accept.rx_delay);
  if (accept.cf_list) out.insert(out.end(), accept.cf_list->begin(), accept.cf_list->end());
  const Mic mic = join_mic(app_key, out);
  out.insert(out.end(), mic.begin(), mic.end());
  each_block(out, app_key, &crypto::aes128_decrypt);  // so that the device needs encryption only
  return out;
}

base::Result<JoinAccept> open_join_accept(const AesKey& app_key, BytesView frame) {
  const bool size_fits = frame.size() == kAcceptSize || frame.size() == kAcceptSizeWithList;
  if (!size_fits || frame[0] != 0x20) return base::fail(base::Errc::kInvalidArgument, "not a join-accept");
  Bytes plain(frame.begin(), frame.end());
  each_block(plain, app_key, &crypto::aes128_encrypt);
  const BytesView signed_part = BytesView(plain).first(plain.size() - sizeof(Mic));
  if (!crypto::equal_constant_time(join_mic(app_key, signed_part), BytesView(plain).last(sizeof(Mic)))) {
    return base::fail(base::Errc::kUnauthorized, "wrong integrity code: another key, or changed on the way");
  }
  JoinAccept accept;
  accept.app_nonce = static_cast<std::uint32_t>(load_le(&plain[1], 3));
  accept.net_id = static_cast<std::uint32_t>(load_le(&plain[4], 3));
  accept.dev_addr = base::DevAddr(static_cast<std::uint32_t>(load_le(&plain[7], 4)));
  accept.dl_settings = plain[11];
  accept.rx_delay = plain[12];
  if (frame.size() == kAcceptSizeWithList) std::copy_n(&plain[13], 16, accept.cf_list.emplace().begin());
  return accept;
}

SessionKeys derive_session_keys(const AesKey& app_key, std::uint32_t app_nonce, std::uint32_t net_id, std::uint16_t dev_nonce) {
  return {derive(app_key, 0x01, app_nonce, net_id, dev_nonce), derive(app_key, 0x02, app_nonce, net_id, dev_nonce)};
}

}  // namespace meterhub::lorawan
