// What a network server said of a packet, as the reading of a meter that the registry knows. Pure.
#pragma once

#include <string>
#include <string_view>

#include <meterhub/log/record.h>
#include <meterhub/lorawan/answer.h>
#include <meterhub/meter/reading.h>
#include <meterhub/reading/profiles.h>
#include <meterhub/registry/directory.h>

namespace meterhub::reading {

// What is known of an answer beside what it says. Views live as long as it is used.
struct Source {
  log::Origin origin;           // of the delivery: the answer's index is added
  std::string_view gateway;     // hub device that delivered it; empty = not known
  bool redo = false;            // from log `retry`
  std::string_view reason{};    // of the letter that is driven again
};

// An answer without what only a server of ours may claim: proof, session, meter number, joins (which become kNothing).
lorawan::Answer without_claims(lorawan::Answer answer);

// Origin, gateway and time: of whatever the answer says.
log::Properties properties_of(const Source& source, const lorawan::Answer& answer);

// Null when the registry does not know the meter. Lives as long as the view.
const registry::MeterEntry* meter_of(const registry::Directory::View& view, const lorawan::Answer& answer);

// The whole identity of a reading (kApp, kMote). An answer without proof gets the meter's current session and a digest of
// the payload for its mic, and its counter may begin again (design part 4, connector).
log::Properties identified(const Source& source, const registry::MeterEntry& meter, const lorawan::Answer& answer);

struct Reading {
  log::Properties properties;
  std::string_view body;     // the document of logs `decoded` and `readings`; until the next call
  std::string_view trouble;  // why the payload could not be decoded, a dead letter's reason; empty = nothing is wrong
};

// One thread; keeps its buffers.
class ReadingMaker {
 public:
  // `profiles` outlive it.
  explicit ReadingMaker(const Profiles& profiles) : profiles_(profiles) {}
  Reading make(const registry::Directory::View& view, const registry::MeterEntry& meter, const Source& source,
               const lorawan::Answer& answer);

 private:
  std::string_view decode(std::string_view profile, const lorawan::Answer& answer, const meter::Profile*& found);

  const Profiles& profiles_;
  meter::Reading reading_;
  std::string origin_;
  std::string body_;
};

}  // namespace meterhub::reading
