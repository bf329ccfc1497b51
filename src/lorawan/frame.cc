#include <meterhub/lorawan/frame.h>

#include <algorithm>

#include <meterhub/base/assert.h>
#include <meterhub/crypto/aes.h>
#include <meterhub/crypto/secret.h>

#include "little_endian.h"

namespace meterhub::lorawan {
namespace {

using base::Bytes;
using base::BytesView;

constexpr std::size_t kMicSize = 4;
constexpr std::size_t kDataFrameMin = 12;
constexpr std::size_t kJoinRequestSize = 23;
constexpr std::size_t kFoptsMax = 15;

Mic mic_at_the_end(BytesView bytes) {
  Mic mic;
  std::copy_n(bytes.end() - kMicSize, kMicSize, mic.begin());
  return mic;
}

std::expected<Frame, PacketError> parse_join_request(BytesView bytes) {
  if (bytes.size() != kJoinRequestSize) return std::unexpected(PacketError::kBadLength);
  return JoinRequestFrame{.app_eui = base::Eui64(load_le(&bytes[1], 8)),
                          .dev_eui = base::Eui64(load_le(&bytes[9], 8)),
                          .dev_nonce = static_cast<std::uint16_t>(load_le(&bytes[17], 2)),
                          .mic = mic_at_the_end(bytes),
                          .bytes = bytes};
}

std::expected<Frame, PacketError> parse_data(MType mtype, BytesView bytes) {
  const std::uint8_t control = bytes[5];
  const std::size_t options = control & 0x0F;
  if (bytes.size() < kDataFrameMin + options) return std::unexpected(PacketError::kBadLength);
  DataFrame frame;
  frame.mtype = mtype;
  frame.dev_addr = base::DevAddr(static_cast<std::uint32_t>(load_le(&bytes[1], 4)));
  frame.adr = (control & 0x80) != 0;
  frame.adr_ack_req = (control & 0x40) != 0;
  frame.ack = (control & 0x20) != 0;
  frame.bit4 = (control & 0x10) != 0;
  frame.fcnt16 = static_cast<std::uint16_t>(load_le(&bytes[6], 2));
  frame.fopts = bytes.subspan(8, options);
  frame.signed_part = bytes.first(bytes.size() - kMicSize);
  frame.mic = mic_at_the_end(bytes);
  if (const BytesView rest = frame.signed_part.subspan(8 + options); !rest.empty()) {
    frame.port = rest.front();
    frame.payload = rest.subspan(1);
  }
  if (frame.port == 0 && options > 0) return std::unexpected(PacketError::kFoptsWithPort0);
  return frame;
}

// What B0 and A(i) have in common; their first byte tells them apart.
std::array<std::uint8_t, 16> block(std::uint8_t first, Direction direction, base::DevAddr address, std::uint32_t fcnt,
                                   std::size_t last) {
  std::array<std::uint8_t, 16> out{};
  out[0] = first;
  out[5] = static_cast<std::uint8_t>(direction);
  store_le(&out[6], address.value, 4);
  store_le(&out[10], fcnt, 4);
  out[15] = static_cast<std::uint8_t>(last);
  return out;
}

std::uint8_t control_byte(const DataFrameSpec& spec) {
  return static_cast<std::uint8_t>((spec.adr ? 0x80 : 0) | (spec.adr_ack_req ? 0x40 : 0) | (spec.ack ? 0x20 : 0) |
                                   (spec.bit4 ? 0x10 : 0) | static_cast<int>(spec.fopts.size()));
}

base::Result<void> check(const DataFrameSpec& spec) {
  const auto refuse = [](const char* why) { return base::fail(base::Errc::kInvalidArgument, why); };
  const bool data = spec.mtype >= MType::kUnconfirmedUp && spec.mtype <= MType::kConfirmedDown;
  if (!data) return refuse("not a data frame type");
  if (spec.fopts.size() > kFoptsMax) return refuse("more than 15 bytes of frame options");
  if (spec.port == 0 && !spec.fopts.empty()) return refuse("frame options together with port 0");
  if (!spec.port && !spec.payload.empty()) return refuse("a payload needs a port");
  const std::size_t size = kDataFrameMin + spec.fopts.size() + (spec.port ? 1 : 0) + spec.payload.size();
  if (size > kFrameSizeMax) return refuse("a frame has at most 255 bytes");
  return {};
}

}  // namespace

std::expected<Frame, PacketError> parse_frame(BytesView bytes) {
  if (bytes.size() < kDataFrameMin || bytes.size() > kFrameSizeMax) return std::unexpected(PacketError::kBadLength);
  const auto mtype = static_cast<MType>(bytes[0] >> 5);
  if (mtype == MType::kProprietary) return std::unexpected(PacketError::kProprietary);
  if ((bytes[0] & 0x03) != 0) return std::unexpected(PacketError::kBadMajor);
  if (mtype == MType::kRejoin) return std::unexpected(PacketError::kUnsupportedMtype);
  if (mtype == MType::kJoinRequest) return parse_join_request(bytes);
  if (mtype == MType::kJoinAccept) return JoinAcceptFrame{bytes};
  return parse_data(mtype, bytes);
}

std::array<std::uint8_t, 16> mic_block(Direction direction, base::DevAddr address, std::uint32_t fcnt, std::size_t length) {
  return block(0x49, direction, address, fcnt, length);
}

std::array<std::uint8_t, 16> counter_block(Direction direction, base::DevAddr address, std::uint32_t fcnt, std::uint8_t i) {
  return block(0x01, direction, address, fcnt, i);
}

Mic data_mic(const AesKey& nwk_skey, Direction direction, base::DevAddr address, std::uint32_t fcnt, BytesView signed_part) {
  MH_ASSERT(signed_part.size() <= kFrameSizeMax);
  std::array<std::uint8_t, 16 + kFrameSizeMax> message;
  const auto first = mic_block(direction, address, fcnt, signed_part.size());
  std::copy(signed_part.begin(), signed_part.end(), std::copy(first.begin(), first.end(), message.begin()));
  const auto tag = crypto::aes_cmac(nwk_skey, BytesView(message).first(16 + signed_part.size()));
  return {tag[0], tag[1], tag[2], tag[3]};
}

bool mic_matches(const DataFrame& frame, const AesKey& nwk_skey, std::uint32_t fcnt) {
  const Mic wanted = data_mic(nwk_skey, frame.direction(), frame.dev_addr, fcnt, frame.signed_part);
  return crypto::equal_constant_time(wanted, frame.mic);
}

Bytes crypt_payload(const AesKey& key, Direction direction, base::DevAddr address, std::uint32_t fcnt, BytesView payload) {
  MH_ASSERT(payload.size() <= kFrameSizeMax);
  std::array<crypto::Block, 16> stream;
  const std::size_t blocks = (payload.size() + 15) / 16;
  for (std::size_t i = 0; i < blocks; ++i) {
    stream[i] = counter_block(direction, address, fcnt, static_cast<std::uint8_t>(i + 1));
  }
  crypto::EncryptJob job{&key, std::span(stream).first(blocks)};
  crypto::aes128_encrypt_batch({&job, 1});
  Bytes out(payload.begin(), payload.end());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(out[i] ^ stream[i / 16][i % 16]);
  return out;
}

Bytes decrypt_payload(const DataFrame& frame, const Session& session, std::uint32_t fcnt) {
  const AesKey& key = frame.port == 0 ? session.nwk_skey : session.app_skey;
  return crypt_payload(key, frame.direction(), frame.dev_addr, fcnt, frame.payload);
}

base::Result<Bytes> build_data_frame(const DataFrameSpec& spec, const AesKey& nwk_skey, const AesKey& app_skey) {
  MH_TRY_VOID(check(spec));
  const bool up = spec.mtype == MType::kUnconfirmedUp || spec.mtype == MType::kConfirmedUp;
  const Direction direction = up ? Direction::kUp : Direction::kDown;
  Bytes out;
  out.reserve(kDataFrameMin + 1 + spec.fopts.size() + spec.payload.size());
  out.push_back(static_cast<std::uint8_t>(static_cast<unsigned>(spec.mtype) << 5));
  append_le(out, spec.dev_addr.value, 4);
  out.push_back(control_byte(spec));
  append_le(out, spec.fcnt & 0xFFFF, 2);
  out.insert(out.end(), spec.fopts.begin(), spec.fopts.end());
  if (spec.port) {
    out.push_back(*spec.port);
    const AesKey& key = spec.port == 0 ? nwk_skey : app_skey;
    const Bytes payload = crypt_payload(key, direction, spec.dev_addr, spec.fcnt, spec.payload);
    out.insert(out.end(), payload.begin(), payload.end());
  }
  const Mic mic = data_mic(nwk_skey, direction, spec.dev_addr, spec.fcnt, out);
  out.insert(out.end(), mic.begin(), mic.end());
  return out;
}

}  // namespace meterhub::lorawan
