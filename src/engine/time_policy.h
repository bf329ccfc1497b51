// Early, late and out-of-order events (stream-sql 5.2) for one reader and partition. Pure.
#pragma once

#include <limits>
#include <optional>

#include <meterhub/engine/pipeline.h>

namespace meterhub::engine {

class TimePolicyState {
 public:
  struct Verdict {
    Ticks time = 0;                    // to use, when the event stays
    std::optional<DropReason> reason;  // what was against it
    bool dropped = false;
  };

  // `arrival` nothing: the event is neither early nor late.
  Verdict judge(Ticks time, std::optional<Ticks> arrival, const sql::TimePolicy& policy);

  // Largest time accepted; nothing before the first event.
  std::optional<Ticks> newest() const { return newest_; }
  void restore(std::optional<Ticks> newest) { newest_ = newest; }
  // Nothing before `watermark` is on time any more.
  void advance(Ticks watermark, const sql::TimePolicy& policy) {
    const auto newest = watermark + policy.out_of_order;
    if (!newest_ || *newest_ < newest) newest_ = newest;
  }

 private:
  std::optional<Ticks> newest_;
};

}  // namespace meterhub::engine
