// Reference data of a pipeline: rows as JSON objects, in versions with a start time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/engine/pipeline.h>

namespace meterhub::engine {

// One thread.
class References {
 public:
  explicit References(const sql::Plan& plan) : plan_(plan), inputs_(plan.references.size()) {}

  // Versions of a name that the plan does not join are not kept. One of the same start is replaced.
  void add(std::string_view input, Ticks start, std::shared_ptr<const ReferenceTable> table);
  // Versions that ended before `time` are not needed any more.
  void forget_before(Ticks time);

  struct Version {
    std::uint64_t number = 0;  // unique over all references
    Ticks start = 0;
    std::shared_ptr<const ReferenceTable> table;
  };
  // The version valid at `time`; null before the first.
  const Version* at(std::uint32_t reference, Ticks time) const;

 private:
  const sql::Plan& plan_;
  std::vector<std::vector<Version>> inputs_;
  std::uint64_t next_ = 1;
};

}  // namespace meterhub::engine
