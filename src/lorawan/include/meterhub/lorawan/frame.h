// LoRaWAN 1.0.x frames (spec/lorawan-ns.md sections 3 and 4). Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <variant>

#include <meterhub/base/bytes.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/lorawan/packet_error.h>
#include <meterhub/lorawan/session.h>

namespace meterhub::lorawan {

enum class MType : std::uint8_t {
  kJoinRequest, kJoinAccept, kUnconfirmedUp, kUnconfirmedDown, kConfirmedUp, kConfirmedDown, kRejoin, kProprietary,
};
enum class Direction : std::uint8_t { kUp = 0, kDown = 1 };

using Mic = std::array<std::uint8_t, 4>;
inline constexpr std::size_t kFrameSizeMax = 255;

// A data frame taken apart; views into the bytes it was parsed from.
struct DataFrame {
  MType mtype = MType::kUnconfirmedUp;
  base::DevAddr dev_addr;
  bool adr = false;
  bool adr_ack_req = false;
  bool ack = false;
  bool bit4 = false;             // Class B, or RFU
  std::uint16_t fcnt16 = 0;      // low half of the counter
  base::BytesView fopts;         // 0..15 bytes, never encrypted in 1.0.x
  std::optional<std::uint8_t> port;
  base::BytesView payload;       // encrypted
  base::BytesView signed_part;   // everything before the MIC
  Mic mic{};

  Direction direction() const {
    return mtype == MType::kUnconfirmedDown || mtype == MType::kConfirmedDown ? Direction::kDown : Direction::kUp;
  }
  bool confirmed() const { return mtype == MType::kConfirmedUp || mtype == MType::kConfirmedDown; }
};

// Parts of a join-request (section 5). `bytes` is the whole frame of 23 bytes.
struct JoinRequestFrame {
  base::Eui64 app_eui;
  base::Eui64 dev_eui;
  std::uint16_t dev_nonce = 0;
  Mic mic{};
  base::BytesView bytes;
};

// A join-accept; only the device's AppKey opens it (join.h).
struct JoinAcceptFrame {
  base::BytesView bytes;
};

using Frame = std::variant<DataFrame, JoinRequestFrame, JoinAcceptFrame>;

// Takes a frame apart without keys, in the order of section 3. Downlinks parse too: who
// expects an uplink answers kMtype.
std::expected<Frame, PacketError> parse_frame(base::BytesView bytes);

// First four bytes of AES-CMAC(nwk_skey, B0 | signed part) with all 32 bits of the counter.
Mic data_mic(const AesKey& nwk_skey, Direction direction, base::DevAddr address, std::uint32_t fcnt,
             base::BytesView signed_part);

// Compares in constant time.
bool mic_matches(const DataFrame& frame, const AesKey& nwk_skey, std::uint32_t fcnt);

// Block B0 in front of the signed part, and counter block A(i), i from 1: for batches.
std::array<std::uint8_t, 16> mic_block(Direction direction, base::DevAddr address, std::uint32_t fcnt, std::size_t length);
std::array<std::uint8_t, 16> counter_block(Direction direction, base::DevAddr address, std::uint32_t fcnt, std::uint8_t i);

// Encrypts or decrypts a payload (the same operation). At most 255 bytes.
base::Bytes crypt_payload(const AesKey& key, Direction direction, base::DevAddr address, std::uint32_t fcnt,
                          base::BytesView payload);

// Plaintext of a frame whose MIC was verified: with NwkSKey on port 0, else AppSKey.
base::Bytes decrypt_payload(const DataFrame& frame, const Session& session, std::uint32_t fcnt);

// What a device or server puts into a data frame.
struct DataFrameSpec {
  MType mtype = MType::kUnconfirmedUp;  // a data type
  base::DevAddr dev_addr;
  std::uint32_t fcnt = 0;
  bool adr = false;
  bool adr_ack_req = false;
  bool ack = false;
  bool bit4 = false;
  base::BytesView fopts;
  std::optional<std::uint8_t> port;
  base::BytesView payload;  // plaintext
};

// The frame as sent. kInvalidArgument when it would not fit 255 bytes, has more than 15 bytes
// of options, options together with port 0, or a payload without a port.
base::Result<base::Bytes> build_data_frame(const DataFrameSpec& spec, const AesKey& nwk_skey, const AesKey& app_skey);

}  // namespace meterhub::lorawan
