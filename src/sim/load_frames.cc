#include "load_frames.h"

#include <algorithm>
#include <vector>

#include <meterhub/crypto/aes.h>
#include <meterhub/lorawan/frame.h>

namespace meterhub::sim {
namespace {

constexpr auto kUp = lorawan::Direction::kUp;
constexpr std::uint8_t kUnconfirmedUp = 0x40;
constexpr std::uint8_t kAdr = 0x80;
constexpr std::uint8_t kPort = 1;
constexpr std::size_t kHeader = 9;  // MHDR, address, FCtrl, FCnt, FPort
constexpr std::size_t kMic = 4;
constexpr std::size_t kSigned = kLoadFrame - kMic;
constexpr std::size_t kBlocks = 2;  // of the key stream, for 20 bytes

using Stream = std::array<crypto::Block, kBlocks>;
using SignedBytes = std::array<std::uint8_t, sizeof(crypto::Block) + kSigned>;

void put_little_endian(std::uint8_t* at, std::uint32_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) at[i] = static_cast<std::uint8_t>(value >> 8 * i);
}

std::vector<Stream> key_streams(std::span<const FrameJob> jobs) {
  std::vector<Stream> out(jobs.size());
  std::vector<crypto::EncryptJob> work;
  work.reserve(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    for (std::uint8_t block = 0; block < kBlocks; ++block) {
      out[i][block] = lorawan::counter_block(kUp, jobs[i].meter.dev_addr, jobs[i].fcnt, static_cast<std::uint8_t>(block + 1));
    }
    work.push_back({&jobs[i].meter.app_skey, out[i]});
  }
  crypto::aes128_encrypt_batch(work);
  return out;
}

void put_signed_part(const FrameJob& job, const Stream& stream) {
  auto* frame = job.frame->data();
  frame[0] = kUnconfirmedUp;
  put_little_endian(frame + 1, job.meter.dev_addr.value, 4);
  frame[5] = kAdr;
  put_little_endian(frame + 6, job.fcnt, 2);
  frame[8] = kPort;
  for (std::size_t i = 0; i < kLoadPayload; ++i) {
    frame[kHeader + i] = static_cast<std::uint8_t>(job.payload[i] ^ stream[i / sizeof(crypto::Block)][i % sizeof(crypto::Block)]);
  }
}

void put_mics(std::span<const FrameJob> jobs) {
  std::vector<SignedBytes> bytes(jobs.size());
  std::vector<crypto::CmacJob> work;
  work.reserve(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const auto first = lorawan::mic_block(kUp, jobs[i].meter.dev_addr, jobs[i].fcnt, kSigned);
    std::ranges::copy(first, bytes[i].begin());
    std::copy_n(jobs[i].frame->begin(), kSigned, bytes[i].begin() + first.size());
    work.push_back({&jobs[i].meter.nwk_skey, bytes[i], {}});
  }
  crypto::aes_cmac_batch(work);
  for (std::size_t i = 0; i < jobs.size(); ++i) std::copy_n(work[i].tag.begin(), kMic, jobs[i].frame->begin() + kSigned);
}

}  // namespace

void make_frames(std::span<FrameJob> jobs) {
  const auto streams = key_streams(jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) put_signed_part(jobs[i], streams[i]);
  put_mics(jobs);
}

}  // namespace meterhub::sim
