// Opens what gateways delivered: bodies in, typed answers out. The network server and the
// connector's embedded transport are shells around it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/bytes.h>
#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/time_text.h>
#include <meterhub/decrypt/session_table.h>
#include <meterhub/lorawan/answer.h>
#include <meterhub/lorawan/gwmp.h>
#include <meterhub/lorawan/report.h>

namespace meterhub::decrypt {

// One delivery of a gateway. The bytes must outlive the call.
struct Body {
  base::BytesView bytes;     // bare JSON, or a whole PUSH_DATA datagram
  base::Eui64 gateway;       // EUI registered for the hub device that sent it
  base::Timestamp enqueued;  // by the hub
};

// Last counter accepted for an address; nullopt = not known. Called on the opener's thread.
using HintLookup = std::function<std::optional<std::uint32_t>(base::DevAddr)>;

// A request that came over the wire to a network server's internal port.
struct OpenedRequest {
  std::optional<lorawan::RequestExtra> extra;  // member `x`
  base::Bytes raw;                             // member `raw`, for a plug-in: no answers then
  std::vector<lorawan::Answer> answers;        // empty = nothing to report
};

// What was counted beside the answers, since construction.
struct OpenerCounters {
  std::uint64_t packets = 0;
  std::uint64_t gateway_clock_refused = 0;  // gw_clock: time outside the bounds of section 6
  std::uint64_t size_differs = 0;           // rxpk.size is not the length of rxpk.data
  std::uint64_t counter_tries = 0;          // MICs computed
};

// One thread each; any number may share a table. Answers come in the order of their
// first rxpk, `stat` last. A body that cannot be read at all gives one kError without index.
class Opener {
 public:
  struct Options {
    std::uint32_t max_high = 64;                                   // counter search without a hint
    base::Duration gateway_behind_max = std::chrono::hours(24 * 30);
    base::Duration gateway_ahead_max = std::chrono::seconds(2);
  };

  explicit Opener(const SessionTable& sessions);
  Opener(const SessionTable& sessions, Options options);
  ~Opener();

  // Opens a block of deliveries: `out[i]` is about `bodies[i]`. Blocks of 64 and more keep the
  // cipher kernel full.
  void open(std::span<const Body> bodies, const HintLookup& hints, std::vector<std::vector<lorawan::Answer>>& out);
  // The same for one.
  std::vector<lorawan::Answer> open_body(const Body& body, const HintLookup& hints = {});

  // PUSH_DATA on the internal port of a network server: `x` gives time, hints and first index.
  // `received` stands in where `x` has no time.
  OpenedRequest open_request(const lorawan::Datagram& datagram, base::Timestamp received);
  // A block of them, for the kernel's sake: `out[i]` is about `datagrams[i]`.
  void open_requests(std::span<const lorawan::Datagram> datagrams, base::Timestamp received,
                     std::vector<OpenedRequest>& out);

  const OpenerCounters& counters() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace meterhub::decrypt
