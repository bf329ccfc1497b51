// Reference data of a pipeline in versions with a start time: of each row what the plan reads, packed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/engine/pipeline.h>

#include "json_reader.h"

namespace meterhub::engine {

// One thread.
class References {
 public:
  explicit References(const sql::Plan& plan) : plan_(plan), inputs_(plan.references.size()) {}

  // Versions of a name that the plan does not join are not kept. One of the same start is replaced. An error of `rows`
  // leaves what was known.
  base::Result<void> add(std::string_view input, Ticks start, const ReferenceRows& rows);
  // Versions that ended before `time` are not needed any more.
  void forget_before(Ticks time);

  struct Version {
    std::uint64_t number = 0;  // unique over all references
    Ticks start = 0;
    std::shared_ptr<const std::string> rows;  // each behind its length
  };
  // The version valid at `time`; null before the first.
  const Version* at(std::uint32_t reference, Ticks time) const;

 private:
  void put_row(const sql::Reference& plan, const PathTree& tree, std::string_view json, std::string& out);

  const sql::Plan& plan_;
  std::vector<std::vector<Version>> inputs_;
  std::uint64_t next_ = 1;
  JsonReader fields_;
  std::vector<Value> values_;
  std::string packed_;
};

}  // namespace meterhub::engine
