// A block of reports on its way to answers: frames of many devices are proven and decrypted
// together, so that the cipher kernel works on eight at once. Private; one thread.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <meterhub/crypto/aes.h>
#include <meterhub/decrypt/opener.h>

namespace meterhub::decrypt {

// What holds for all packets of one report.
struct Delivery {
  base::Eui64 gateway;
  base::PreciseTime time;           // stands in where the gateway has no (believable) clock
  std::uint32_t first_index = 0;
  const HintLookup* hints = nullptr;
};

class Block {
 public:
  Block(const SessionTable& sessions, const Opener::Options& options, OpenerCounters& counters)
      : sessions_(sessions), options_(options), counters_(counters) {}
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  // Numbers reports in the order in which they are added.
  void add(lorawan::Report&& report, const Delivery& delivery);
  void add_error(lorawan::PacketError error, base::Eui64 gateway);
  // Answers of each report; the block is used up.
  std::vector<std::vector<lorawan::Answer>> finish();

 private:
  // One answer to be; data frames wait for their keys.
  struct Item {
    std::size_t report = 0;
    lorawan::Answer answer;
    lorawan::DataFrame frame;
    const Delivery* delivery = nullptr;
    lorawan::Session session;
    bool is_data = false;
    bool proven = false;
  };

  Item& new_item(std::size_t report, const Delivery& delivery, std::uint32_t index);
  void add_frame(Item& item, const lorawan::Rxpk& packet);
  void prove_first_guesses();
  void prove_the_rest();
  bool search(Item& item, const std::vector<lorawan::Session>& sessions);
  void take(Item& item, const lorawan::Session& session, std::uint32_t fcnt);
  void decrypt();
  void complete(Item& item);

  const SessionTable& sessions_;
  const Opener::Options& options_;
  OpenerCounters& counters_;
  std::vector<std::unique_ptr<Delivery>> deliveries_;
  std::vector<lorawan::Report> reports_;  // frames are views into them
  std::vector<Item> items_;
  std::vector<lorawan::Session> found_;
};

}  // namespace meterhub::decrypt
