// OTAA's owner: the only place where a join writes (spec/lorawan-ns.md 5).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include <meterhub/base/bytes.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/log/log.h>
#include <meterhub/lorawan/session.h>
#include <meterhub/registry/store.h>

namespace meterhub::registry {

enum class JoinVerdict : std::uint8_t {
  kAccepted,       // a new session
  kRepeated,       // the same frame again (several gateways heard it): the accept already issued
  kBadLength,      // not a join-request
  kUnknownDevEui,
  kMic,
  kNonce,          // this DevNonce was used by another frame
};
// "accepted", "repeated", "bad_length", "join_unknown_deveui", "join_mic", "join_nonce":
// for counters, logs and dead letters.
std::string_view join_code(JoinVerdict verdict);

struct JoinResult {
  JoinVerdict verdict = JoinVerdict::kBadLength;
  base::Bytes accept{};  // PHYPayload of the join-accept when accepted or repeated
  std::optional<lorawan::Session> session{};  // when accepted
};

struct JoinOptions {
  std::uint32_t net_id = 0;       // 24 bits; private networks use 0 or 1
  std::uint8_t dl_settings = 0;
  std::uint8_t rx_delay_s = 5;    // leaves the downlink path time (spec 9)
};

// Fills with random bytes; a seeded one in simulation.
using RandomSource = std::function<void(std::span<std::uint8_t>)>;

// Judges join-requests one after another. One thread.
class JoinServer {
 public:
  JoinServer(Store& store, const JoinOptions& options, RandomSource random);

  // `phy` is the whole PHYPayload (23 bytes). Safe to repeat: what a crash cut off between
  // this call and the offset's commit is answered again with the same accept. Errors are
  // the Store's: kFenced, kUnavailable, kIo.
  base::Result<JoinResult> handle(base::BytesView phy, const Owner& owner);

 private:
  base::Result<JoinResult> accept(base::BytesView phy, const JoinState& state, base::Eui64 dev_eui,
                                  std::uint16_t dev_nonce, const Owner& owner);
  base::DevAddr new_dev_addr();

  Store& store_;
  JoinOptions options_;
  RandomSource random_;
};

// Reads log `joins` (group `joins`) and has a JoinServer judge each record; refused ones go
// to `noise` (join_unknown_deveui) or `deadletter` in the transaction that commits the
// offset. A record's body is the PHYPayload's 23 bytes, its gateway is in the properties.
// Counts meterhub_registry_joins_total{verdict}. All calls on `executor`.
class JoinRunner {
 public:
  JoinRunner(log::Log& log, Store& store, base::Executor& executor, base::Metrics& metrics,
             const JoinOptions& options, RandomSource random);
  ~JoinRunner();

  // Joins the group. Called when an accept can be sent on: `answer` may be empty.
  using Answer = std::function<void(const log::Properties& request, const JoinResult& result)>;
  base::Result<void> start(Answer answer);
  // Finishes what is in flight, then calls `stopped`.
  void stop(base::Task stopped);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace meterhub::registry
