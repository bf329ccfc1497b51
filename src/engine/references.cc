#include "references.h"

#include <algorithm>

#include "rows.h"

namespace meterhub::engine {

void References::add(std::string_view input, Ticks start, const ReferenceTable& table) {
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (!equal_without_case(plan_.references[i].input, input)) continue;
    auto& versions = inputs_[i];
    std::erase_if(versions, [&](const Version& version) { return version.start == start; });
    versions.insert(std::ranges::upper_bound(versions, start, {}, &Version::start), {next_++, start, std::make_shared<const std::string>(packed(plan_.references[i], table))});
  }
}

// Rows that cannot be read are left out.
std::string References::packed(const sql::Reference& plan, const ReferenceTable& table) {
  std::string out, one;
  const PathTree tree(plan.paths);
  std::vector<Value> values;
  for (const auto& json : table.rows) {
    values.assign(plan.paths.size(), Value::null());
    if (!fields_.read(json, tree, values)) continue;
    SourceRow row;
    row.values = values;
    if (plan.whole_row) row.whole = json;
    one.clear();
    pack_row_tight(one, row, false);
    pack_bytes(out, one);
  }
  out.shrink_to_fit();
  return out;
}

void References::forget_before(Ticks time) {
  for (auto& versions : inputs_) {
    while (versions.size() > 1 && versions[1].start <= time) versions.erase(versions.begin());
  }
}

const References::Version* References::at(std::uint32_t reference, Ticks time) const {
  const auto& versions = inputs_[reference];
  const auto after = std::ranges::upper_bound(versions, time, {}, &Version::start);
  return after == versions.begin() ? nullptr : &*std::prev(after);
}

}  // namespace meterhub::engine
