// The session feed's wire: keys on their way to the network servers.
#include <meterhub/registry/session_feed.h>

#include "input.h"

namespace meterhub::registry {
namespace {

using fuzz::require;

// A frame is what encode() writes for its message, and nothing shorter is taken for it.
std::size_t read_frame(base::BytesView bytes) {
  std::size_t used = 0;
  const auto message = decode(bytes, used);
  if (!message || !*message) {
    require(used == 0);
    return 0;
  }
  require(used > 0 && used <= bytes.size() && used <= kMaxFeedFrame + 4);
  base::Bytes written;
  encode(**message, written);
  require(std::ranges::equal(written, bytes.first(used)));
  for (const auto size : {std::size_t{0}, std::size_t{3}, used / 2, used - 1}) {
    std::size_t taken = 1;
    const auto part = decode(bytes.first(size), taken);
    require(part && !*part && taken == 0);
  }
  return used;
}

}  // namespace
}  // namespace meterhub::registry

MH_FUZZER(session_feed, input) {
  auto rest = input.rest();
  while (const auto used = meterhub::registry::read_frame(rest)) rest = rest.subspan(used);
}
