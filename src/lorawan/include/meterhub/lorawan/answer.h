// What a network server answers about a packet, as a type and as a line of JSON
// (spec/lorawan-ns.md section 7). The embedded transport passes the type, the wire the line.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/bytes.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/base/time_text.h>
#include <meterhub/lorawan/frame.h>
#include <meterhub/lorawan/packet_error.h>
#include <meterhub/lorawan/radio.h>

namespace meterhub::lorawan {

enum class AnswerKind : std::uint8_t {
  kApp,      // application data
  kMote,     // heartbeat: a frame without application data (port 0 or none)
  kGateway,  // status of the gateway itself
  kJoin,     // join-request for the registry's owner
  kError,    // no reading; `error` says why
  kNothing,  // the datagram held nothing to report (ns.n = 0)
};

// Members set per kind are named in their comments; the others stay empty.
struct Answer {
  AnswerKind kind = AnswerKind::kNothing;

  // kApp, kMote
  base::Eui64 device;
  std::uint32_t fcnt = 0;               // seqno: all 32 bits
  std::optional<std::uint8_t> port;     // kApp 1..223 (foreign servers: up to 255); kMote 0 or none
  base::Bytes payload;                  // plaintext; kMote: MAC commands
  Transmission tx;
  std::vector<Reception> receptions;    // best first, never empty

  // kGateway: `gateway`, `time`, and the status object as received
  base::Eui64 gateway;                  // also of kJoin and kError: who delivered it
  base::PreciseTime time;
  std::string stat;

  base::Bytes join;                     // kJoin: the 23 bytes
  PacketError error = PacketError::kNone;  // kError

  // Ours (member `ns`). A foreign server sends none: `proven` is then false.
  bool proven = false;                  // session, fcnt and mic were verified by our own server
  std::optional<std::uint32_t> index;   // first rxpk this is about
  std::optional<base::DevAddr> dev_addr;
  base::SessionNumber session;
  base::MeterNumber meter;              // embedded path only; 0 from the wire
  bool searched = false;                // embedded path only: fcnt was not the nearest counter
  Mic mic{};
  bool confirmed = false;
  std::uint16_t fcnt16 = 0;             // kError with dev_addr
};

// How an answer belongs to a request over the wire.
struct AnswerEnvelope {
  std::string rid;                              // empty = none was given
  std::uint32_t k = 0;                          // line k (from 0) of n
  std::uint32_t n = 0;
  std::optional<base::PreciseTime> snapshot;    // ns.snap: last message of the session feed
};

enum class ModulationName : std::uint8_t {
  kModu,      // "modu":"LORA"
  kModeNull,  // "mode":null, as the published sample (profile poc-2016)
};

// {"gw":…,"mote":…,"app":…}: exactly what `originData` holds.
void append_origin(std::string& out, const Answer& answer, ModulationName name = ModulationName::kModu);

// The whole line with member `ns`, ended by '\n'.
void append_line(std::string& out, const Answer& answer, const AnswerEnvelope& envelope);
// All answers of one datagram with k and n set; none gives the one line with n = 0 when there is
// a rid, else nothing.
void append_lines(std::string& out, std::span<const Answer> answers, AnswerEnvelope envelope);

struct AnswerLine {
  Answer answer;
  AnswerEnvelope envelope;
};
// Reads one object of our own or a vendor's server: modu or mode, motetx or seqno inside or beside
// userdata, one reception as an object, EUIs with separators, padded payloads. An object
// with neither app, mote, gw nor ns gives kNothing. kInvalidArgument for anything else (two objects on
// a line too). One JSON object of at most kBodySizeMax bytes; any thread.
base::Result<AnswerLine> read_answer(std::string_view line);

// Cuts a byte stream into top-level JSON objects: newline, NUL, blanks or nothing between them
// (transport `foreign`). Keeps at most `object_max` bytes. One thread.
class ObjectStream {
 public:
  explicit ObjectStream(std::size_t object_max) : object_max_(object_max) {}
  // Appends complete objects to `out`. False = something other than an object, or one
  // too long: the connection is to be closed.
  bool feed(std::string_view bytes, std::vector<std::string>& out);

 private:
  bool take(char c, std::vector<std::string>& out);

  std::size_t object_max_;
  std::string pending_;
  int depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace meterhub::lorawan
