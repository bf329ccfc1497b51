#include "event_source.h"

#include <meterhub/log/replay.h>

namespace meterhub::hub {
namespace {

constexpr std::size_t kReadAtOnce = 64 * 1024;

}  // namespace

base::Result<EventBlock> EventSource::read(std::size_t bytes_max) {
  EventBlock out;
  encoder_.forget_devices();
  while (true) {
    if (at_ == batch_.records.size() && !MH_TRY(refill(out))) break;
    if (log::is_replay(batch_.records[at_].properties)) {
      next_ = base::Offset(batch_.records[at_++].offset.value + 1);
      continue;
    }
    const auto before = out.bytes.size();
    encoder_.encode(batch_.records[at_], out.bytes);
    if (out.bytes.size() > bytes_max && !out.ends.empty()) {
      out.bytes.resize(before);
      break;
    }
    out.ends.push_back(out.bytes.size());
    next_ = base::Offset(batch_.records[at_].offset.value + 1);
    ++at_;
    if (out.bytes.size() >= bytes_max) break;
  }
  if (at_ == batch_.records.size()) {  // its memory is not kept while the reader waits
    batch_ = {};
    at_ = 0;
  }
  out.next = next_;
  return out;
}

base::Result<bool> EventSource::refill(EventBlock& out) {
  batch_ = {};
  at_ = 0;
  if (!cursor_) cursor_ = MH_TRY(log_.open(partition_, next_));
  auto read = cursor_->next(kReadAtOnce);
  if (!read && read.error().code == base::Errc::kNotFound) {
    // What went before is handed on first, so that `expired` lies before a block and not in it.
    if (!out.ends.empty()) return false;
    out.expired += cursor_->position().value - next_.value;
    next_ = cursor_->position();
    read = cursor_->next(kReadAtOnce);
  }
  batch_ = MH_TRY(std::move(read));
  return !batch_.records.empty();
}

}  // namespace meterhub::hub
