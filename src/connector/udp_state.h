// The transport `udp` from inside: who is asked, what is under way. Private; loop's thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/connector/udp_transport.h>
#include <meterhub/net/udp.h>

#include "answer_port.h"
#include "wire_request.h"

namespace meterhub::connector {

// One block of deliveries.
struct WireJob {
  Block block;
  Transport::Done done;
  std::vector<Opened> opened;
  std::size_t parts_left = 0;
};

struct Attempt;

// One part of a delivery until it is answered. Kept by its attempts, or by a queue.
struct Part {
  std::shared_ptr<WireJob> job;
  std::size_t delivery = 0;
  WirePart wire;
  std::uint32_t attempts_made = 0;
  std::optional<std::size_t> last_server{};
  // Attempts that answers may still come to, oldest first. Owned by the table of requests.
  std::vector<Attempt*> open_attempts{};
  std::vector<std::size_t> failed_servers{};  // one entry a failed attempt
  bool suspect = false;                       // servers failed on it or on its neighbours: goes alone
  bool done = false;
};
using PartPtr = std::shared_ptr<Part>;

// A source socket towards a server.
struct Channel {
  std::size_t in_flight = 0;
  std::uint16_t next_token = 0;
  absl::flat_hash_map<std::uint16_t, std::string> tokens{};  // under way -> request id
};

struct WireServer {
  net::Address address;
  std::vector<Channel> channels{};  // one a source socket
  std::size_t next_channel = 0;
  // Parts it may have under way; learnt, since receive buffers are finite.
  double window = 64;
  base::MonotonicTime window_cut{};
  bool suspect_under_way = false;
  // Sent since the last acknowledgement.
  std::size_t unacknowledged = 0;
  base::MonotonicTime unacknowledged_since{};
  bool out = false;
  // It took a part and did not answer in time: probed until it acknowledges or is out.
  bool doubted = false;
  base::MonotonicTime next_probe{};
  // Send time of the newest attempt it has answered; anything older it would have answered, too.
  base::MonotonicTime answered_sent{};

  std::size_t in_flight() const;
};

struct Attempt {
  PartPtr part;
  std::string rid;
  std::size_t server = 0;
  std::size_t channel = 0;
  std::uint16_t token = 0;
  base::MonotonicTime sent{};
  bool acknowledged = false;
  bool holds_slot = true;
  bool as_suspect = false;
  bool judged_failed = false;
  std::vector<std::optional<lorawan::Answer>> lines{};
  std::size_t lines_have = 0;
  std::optional<base::Timestamp> fresh_as_of{};
};

class UdpTransport::State final : public std::enable_shared_from_this<UdpTransport::State> {
 public:
  State(net::EventLoop& loop, base::Executor& executor, base::Metrics& metrics, UdpTransportOptions options);
  base::Result<void> start(base::Metrics& metrics);

  void open(Block block, Done done);
  const net::Address& answers_at() const { return port_->address(); }
  net::EventLoop& loop() { return loop_; }

 private:
  struct Source;      // one socket
  struct LineReader;  // one answer connection

  // What goes out.
  void pump();
  bool pump(std::deque<PartPtr>& queue);
  std::optional<std::size_t> choose_server(const Part& part);
  bool has_room(const WireServer& server, const Part& part) const;
  std::size_t choose_channel(WireServer& server);
  void send(const PartPtr& part, std::size_t server);
  std::vector<lorawan::CounterHint> hints_of(const WirePart& part) const;

  // What comes back.
  void acknowledged(std::size_t source, const net::Datagram& datagram);
  void line(std::string_view text);
  bool take_line(Attempt& attempt, lorawan::AnswerLine line);
  void complete(Attempt& attempt);
  void remember(const WirePart& part, const lorawan::Answer& answer);
  void finish_part(const PartPtr& part);
  void finish(const std::shared_ptr<WireJob>& job);

  // What does not come back.
  void plan_tick();
  void tick();
  void expire(const std::string& rid);
  void settle(const PartPtr& part);
  void settle_doubted();
  void probe(WireServer& server, std::chrono::milliseconds pause);
  void count_sent(WireServer& server);
  void renew_a_port();
  void give_up_slot(Attempt& attempt);
  void judge(Part& part);
  bool has_failed(const Attempt& attempt) const;
  bool is_poison(const Part& part) const;
  void poison(const PartPtr& part);
  void check_health(WireServer& server);
  void forget(Attempt& attempt);

  base::MonotonicTime now() const { return loop_.clock().monotonic(); }

  net::EventLoop& loop_;
  base::Executor& executor_;
  const UdpTransportOptions options_;
  std::string answer_to_;
  lorawan::ReportReader reader_;
  std::vector<WireServer> servers_;
  std::size_t next_server_ = 0;
  absl::flat_hash_map<std::string, std::unique_ptr<Attempt>> attempts_;  // by request id
  std::multimap<base::MonotonicTime, std::string> deadlines_;            // request ids
  std::deque<PartPtr> ready_;
  std::deque<PartPtr> suspects_;  // one at a time and server
  std::vector<PartPtr> doubted_;  // wait to learn whether the server that had them last lives
  absl::flat_hash_map<std::uint32_t, std::uint32_t> hints_;              // address -> last counter
  bool tick_planned_ = false;

  base::Counter& sent_;
  base::Counter& resent_;
  base::Counter& acks_;
  base::Counter& lines_;
  base::Counter& unmatched_;
  base::Counter& malformed_;
  base::Counter& failed_;
  base::Counter& left_out_;
  base::Counter& renewed_;
  base::Gauge& healthy_;

  std::vector<std::unique_ptr<Source>> sources_;
  std::size_t next_renewed_ = 0;
  base::MonotonicTime next_renewal_{};
  std::size_t next_probe_ = 0;
  std::unique_ptr<AnswerPort> port_;
};

}  // namespace meterhub::connector
