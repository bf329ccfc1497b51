// A block of reports on its way to answers: frames of many devices are proven and decrypted
// together, so that the cipher kernel works on eight at once. Private; one thread.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include <meterhub/crypto/aes.h>
#include <meterhub/decrypt/opener.h>
#include <meterhub/lorawan/counter.h>

namespace meterhub::decrypt {

// What holds for all packets of one report.
struct Delivery {
  base::Eui64 gateway;
  base::PreciseTime time;           // stands in where the gateway has no (believable) clock
  std::uint32_t first_index = 0;
  const HintLookup* hints = nullptr;
};

// Keeps its memory from one block to the next.
class Block {
 public:
  Block(const SessionTable& sessions, const Opener::Options& options, OpenerCounters& counters)
      : sessions_(sessions), options_(options), counters_(counters) {}
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  // Takes the report apart. Its bytes, and the answers now in `out`, stay where they are until finish().
  void add(lorawan::Report& report, const Delivery& delivery, std::vector<lorawan::Answer>& out);
  // Completes the answers of all reports; the block is empty then.
  void finish();

 private:
  // A data frame; its answer waits for the keys.
  struct Waiting {
    lorawan::Answer* answer = nullptr;
    lorawan::DataFrame frame;
    std::optional<std::uint32_t> hint;
    std::span<lorawan::Session> sessions;  // of its address, the newest ones; in found_
    lorawan::Session* session = nullptr;   // the one that proved it
  };
  // B0 and the signed part in one piece.
  struct MicMessage {
    std::array<std::uint8_t, 16 + lorawan::kFrameSizeMax> bytes;
  };

  lorawan::Answer& answer_of(lorawan::Rxpk& packet, std::uint32_t index, const Delivery& delivery, std::vector<lorawan::Answer>& out);
  void add_frame(lorawan::Answer& answer, lorawan::Rxpk& packet, const Delivery& delivery);
  void find_sessions();
  void prove_first_guesses();
  void prove_the_rest();
  bool search(Waiting& waiting, const lorawan::Session& session);
  lorawan::CounterCandidates candidates(const Waiting& waiting, const lorawan::Session& session) const;
  void encrypt_streams();
  void complete(Waiting& waiting, std::span<const crypto::Block> stream);

  const SessionTable& sessions_;
  const Opener::Options& options_;
  OpenerCounters& counters_;
  std::vector<Waiting> waiting_;
  SessionTable::Found found_;
  std::vector<lorawan::Session> all_;  // of one address
  absl::flat_hash_map<std::string_view, lorawan::Answer*> seen_;  // frames of one report
  std::vector<base::DevAddr> addresses_;
  std::vector<MicMessage> messages_;
  std::vector<crypto::CmacJob> tags_;
  std::vector<crypto::Block> streams_;
  std::vector<crypto::EncryptJob> encryptions_;
};

}  // namespace meterhub::decrypt
