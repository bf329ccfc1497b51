// AES-128 with AES-NI, eight keys at a time. One AES round waits several cycles for the one
// before it but the processor starts one every cycle: eight independent messages fill the
// gap. Compiled with -maes -msse4.1; called only where the processor has both.
#include "aes_engine.h"

#if defined(__AES__) && defined(__SSE4_1__)

#include <immintrin.h>

#include <algorithm>
#include <array>

#include <meterhub/crypto/secret.h>

namespace meterhub::crypto {
namespace {

constexpr std::size_t kLanes = 8;
constexpr std::size_t kRounds = 10;

// 128 bits without the vector type's attributes, which templates would drop.
struct Lane {
  __m128i value;
};
using Lanes = std::array<Lane, kLanes>;

__m128i load(const std::uint8_t* bytes) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)); }
void store(std::uint8_t* bytes, __m128i value) { _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes), value); }

template <int kConstant>
__m128i next_round_key(__m128i key) {
  const __m128i word = _mm_shuffle_epi32(_mm_aeskeygenassist_si128(key, kConstant), 0xFF);
  key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
  key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
  key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
  return _mm_xor_si128(key, word);
}

// Round keys of eight ciphers, wiped when it goes.
class Schedules {
 public:
  void expand(const std::array<const Key128*, kLanes>& keys) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) round_[0][lane].value = load(keys[lane]->data());
    step<0x01>(1);
    step<0x02>(2);
    step<0x04>(3);
    step<0x08>(4);
    step<0x10>(5);
    step<0x20>(6);
    step<0x40>(7);
    step<0x80>(8);
    step<0x1B>(9);
    step<0x36>(10);
  }
  // Unrolled: the eight states stay in registers.
  void encrypt(Lanes& state) const {
    __m128i lanes[kLanes];
#pragma GCC unroll 8
    for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = _mm_xor_si128(state[lane].value, round_[0][lane].value);
    for (std::size_t round = 1; round < kRounds; ++round) {
#pragma GCC unroll 8
      for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = _mm_aesenc_si128(lanes[lane], round_[round][lane].value);
    }
#pragma GCC unroll 8
    for (std::size_t lane = 0; lane < kLanes; ++lane) state[lane].value = _mm_aesenclast_si128(lanes[lane], round_[kRounds][lane].value);
  }
  Schedules() = default;
  Schedules(const Schedules&) = delete;
  Schedules& operator=(const Schedules&) = delete;
  ~Schedules() { wipe({reinterpret_cast<std::uint8_t*>(round_.data()), sizeof(round_)}); }

 private:
  template <int kConstant>
  void step(std::size_t round) {
#pragma GCC unroll 8
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      round_[round][lane].value = next_round_key<kConstant>(round_[round - 1][lane].value);
    }
  }
  std::array<Lanes, kRounds + 1> round_;
};

// Doubling in GF(2^128) of a big-endian number (RFC 4493 section 2.3).
__m128i doubled(__m128i value) {
  const __m128i reverse = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m128i little = _mm_shuffle_epi8(value, reverse);
  const __m128i carries = _mm_srli_epi64(little, 63);                    // top bit of each half
  const __m128i into_high = _mm_slli_si128(carries, 8);                  // low half's bit moves up
  const __m128i over = _mm_srli_si128(carries, 8);                       // high half's bit falls out
  const __m128i mask = _mm_sub_epi64(_mm_setzero_si128(), over);         // all ones when it was set
  const __m128i reduce = _mm_and_si128(mask, _mm_set_epi64x(0, 0x87));
  const __m128i shifted = _mm_or_si128(_mm_slli_epi64(little, 1), into_high);
  return _mm_shuffle_epi8(_mm_xor_si128(shifted, reduce), reverse);
}

std::size_t block_count(base::BytesView message) { return message.empty() ? 1 : (message.size() + 15) / 16; }

// Block `i` of a message as CMAC feeds it: the last one padded and masked with a sub-key.
__m128i cmac_block(base::BytesView message, std::size_t i, std::size_t count, __m128i sub_key) {
  if (i + 1 < count) return load(message.data() + 16 * i);
  const base::BytesView last = message.subspan(16 * i);
  if (last.size() == 16) return _mm_xor_si128(load(last.data()), sub_key);
  Block padded{};
  std::copy(last.begin(), last.end(), padded.begin());
  padded[last.size()] = 0x80;
  return _mm_xor_si128(load(padded.data()), doubled(sub_key));
}

// Lanes beyond the jobs repeat the first one; their results are not stored.
template <class Job>
void expand_for(std::span<Job> jobs, Schedules& schedules) {
  std::array<const Key128*, kLanes> keys;
  for (std::size_t lane = 0; lane < kLanes; ++lane) keys[lane] = jobs[lane < jobs.size() ? lane : 0].key;
  schedules.expand(keys);
}

void cmac_group(std::span<CmacJob> jobs) {
  Schedules schedules;
  expand_for(jobs, schedules);
  Lanes sub_keys;
  for (Lane& lane : sub_keys) lane.value = _mm_setzero_si128();
  schedules.encrypt(sub_keys);
  std::size_t longest = 0;
  for (std::size_t lane = 0; lane < jobs.size(); ++lane) {
    sub_keys[lane].value = doubled(sub_keys[lane].value);
    longest = std::max(longest, block_count(jobs[lane].message));
  }
  Lanes state;
  for (Lane& lane : state) lane.value = _mm_setzero_si128();
  for (std::size_t i = 0; i < longest; ++i) {
    for (std::size_t lane = 0; lane < jobs.size(); ++lane) {
      const std::size_t count = block_count(jobs[lane].message);
      if (i >= count) continue;
      const __m128i block = cmac_block(jobs[lane].message, i, count, sub_keys[lane].value);
      state[lane].value = _mm_xor_si128(state[lane].value, block);
    }
    schedules.encrypt(state);
    for (std::size_t lane = 0; lane < jobs.size(); ++lane) {
      if (i + 1 == block_count(jobs[lane].message)) store(jobs[lane].tag.data(), state[lane].value);
    }
  }
  wipe({reinterpret_cast<std::uint8_t*>(sub_keys.data()), sizeof(sub_keys)});
}

void encrypt_group(std::span<EncryptJob> jobs) {
  Schedules schedules;
  expand_for(jobs, schedules);
  std::size_t longest = 0;
  for (const EncryptJob& job : jobs) longest = std::max(longest, job.blocks.size());
  Lanes state;
  for (Lane& lane : state) lane.value = _mm_setzero_si128();
  for (std::size_t i = 0; i < longest; ++i) {
    for (std::size_t lane = 0; lane < jobs.size(); ++lane) {
      if (i < jobs[lane].blocks.size()) state[lane].value = load(jobs[lane].blocks[i].data());
    }
    schedules.encrypt(state);
    for (std::size_t lane = 0; lane < jobs.size(); ++lane) {
      if (i < jobs[lane].blocks.size()) store(jobs[lane].blocks[i].data(), state[lane].value);
    }
  }
}

template <class Job>
void in_groups(std::span<Job> jobs, void (*group)(std::span<Job>)) {
  for (std::size_t first = 0; first < jobs.size(); first += kLanes) {
    group(jobs.subspan(first, std::min(kLanes, jobs.size() - first)));
  }
}

}  // namespace

bool kernel_supported() { return __builtin_cpu_supports("aes") && __builtin_cpu_supports("sse4.1"); }
void kernel_cmac_batch(std::span<CmacJob> jobs) { in_groups(jobs, &cmac_group); }
void kernel_encrypt_batch(std::span<EncryptJob> jobs) { in_groups(jobs, &encrypt_group); }

}  // namespace meterhub::crypto

#else  // another processor family: OpenSSL alone

namespace meterhub::crypto {
bool kernel_supported() { return false; }
void kernel_cmac_batch(std::span<CmacJob> jobs) { evp_cmac_batch(jobs); }
void kernel_encrypt_batch(std::span<EncryptJob> jobs) { evp_encrypt_batch(jobs); }
}  // namespace meterhub::crypto

#endif
