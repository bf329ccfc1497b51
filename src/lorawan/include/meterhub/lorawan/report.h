// The JSON of a gateway's report: receptions and status (spec/lorawan-ns.md section 2).
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/bytes.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/time_text.h>
#include <meterhub/lorawan/packet_error.h>
#include <meterhub/lorawan/radio.h>

namespace meterhub::lorawan {

// One element of `rxpk`.
struct Rxpk {
  PacketError error = PacketError::kNone;  // this element alone cannot be used
  std::uint32_t tmst = 0;                  // concentrator microseconds, wraps
  std::optional<base::PreciseTime> time;   // only from gateways with GPS
  Transmission tx;                         // adr is the frame's, not set here
  std::optional<double> chan;
  std::optional<double> rfch;
  std::optional<double> rssi;
  std::optional<double> lsnr;
  bool size_differs = false;               // `size` is not the length of `data`: counted only
  base::Bytes phy;                         // the frame
};

// Last known counter of a device address.
struct CounterHint {
  base::DevAddr address;
  std::uint32_t fcnt = 0;
};

// The extra member `x` that a connector adds towards a network server (section 2.1).
struct RequestExtra {
  std::string rid;
  std::optional<base::PreciseTime> time;  // enqueue time of the hub
  std::uint32_t first_index = 0;          // i0
  std::string answer_to;                  // ret: "host:port"
  std::string plugin;                     // plugin: who opens `raw`; empty = LoRaWAN
  std::vector<CounterHint> hints;
};

struct Report {
  std::vector<Rxpk> packets;
  std::string stat;                     // the status object as received, minified; empty = none
  std::optional<RequestExtra> extra;    // only when asked for: a gateway's own `x` is ignored
  base::Bytes raw;                      // root member `raw`: a body for a cipher plug-in (internal only)
};

inline constexpr std::size_t kReportPacketsMax = 1024;  // more are refused as kBodySize
inline constexpr std::size_t kReportDepthMax = 16;      // deeper JSON is refused as kJson

enum class ExtraPolicy : bool { kIgnore, kHonour };

// Reads reports; keeps its parser's memory between calls. One thread.
class ReportReader {
 public:
  ReportReader();
  ~ReportReader();
  ReportReader(ReportReader&&) noexcept;
  ReportReader& operator=(ReportReader&&) noexcept;

  // Replaces the content of `out`, keeps its memory. kJson for what is not one JSON object of the expected shape.
  PacketError read(std::string_view json, ExtraPolicy policy, Report& out);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

// Writes the element a packet forwarder would send (tests, simulator). `size` is phy's.
void append_rxpk(std::string& out, const Rxpk& packet);
// The root member `x`, without a comma: "x":{…}.
void append_extra(std::string& out, const RequestExtra& extra);

// A gateway's body cut into the parts that a connector sends (section 2.1): whole elements,
// at most `part_max` bytes of JSON each unless one element alone is longer; `stat` goes with
// the first. Any `x` or `raw` of the gateway is left out. kJson as for the reader.
struct ReportPart {
  std::uint32_t first_index = 0;
  std::uint32_t count = 0;
  std::string members;  // root members without braces: "rxpk":[…],"stat":{…}; may be empty
};
std::expected<std::vector<ReportPart>, PacketError> split_report(std::string_view json, std::size_t part_max);

}  // namespace meterhub::lorawan
