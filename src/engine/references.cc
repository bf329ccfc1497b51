#include "references.h"

#include <algorithm>

#include "rows.h"

namespace meterhub::engine {

base::Result<void> References::add(std::string_view input, Ticks start, const ReferenceRows& rows) {
  struct Reading {
    std::size_t reference;
    PathTree tree;
    std::string rows;
  };
  std::vector<Reading> readings;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (equal_without_case(plan_.references[i].input, input)) readings.push_back({i, PathTree(plan_.references[i].paths), {}});
  }
  if (readings.empty()) return {};
  MH_TRY_VOID(rows([&](std::string_view json) {
    for (auto& one : readings) put_row(plan_.references[one.reference], one.tree, json, one.rows);
  }));
  for (auto& one : readings) {
    auto& versions = inputs_[one.reference];
    one.rows.shrink_to_fit();
    std::erase_if(versions, [&](const Version& version) { return version.start == start; });
    versions.insert(std::ranges::upper_bound(versions, start, {}, &Version::start), {next_++, start, std::make_shared<const std::string>(std::move(one.rows))});
  }
  return {};
}

// A row that cannot be read is left out.
void References::put_row(const sql::Reference& plan, const PathTree& tree, std::string_view json, std::string& out) {
  values_.assign(plan.paths.size(), Value::null());
  if (!fields_.read(json, tree, values_)) return;
  SourceRow row;
  row.values = values_;
  if (plan.whole_row) row.whole = json;
  packed_.clear();
  pack_row_tight(packed_, row, false);
  pack_bytes(out, packed_);
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
