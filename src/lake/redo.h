// Readings that were decoded again, against what the lake has of them. Pure.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include <meterhub/duck/batch.h>
#include <meterhub/lake/reading.h>

namespace meterhub::lake {

using Identity = std::tuple<std::string, std::uint32_t, std::uint32_t, std::uint32_t>;
inline Identity identity_of(const Reading& row) {
  return {row.device, row.session.value, row.generation.value, row.fcnt};
}
using ByIdentity = std::map<Identity, Reading>;

// Rows that may repeat an identity.
inline bool by_identity(const Reading& row) { return row.stale || row.redo; }

struct Change {
  Reading before, after;
};

// `redo` as it takes the place of `there`: its values, and all else as it was; when and through which gateways a packet
// first came does not change. Nothing when the values are the same, or the redo has none.
std::optional<Reading> replacement(const Reading& there, const Reading& redo);

// Rows to be written, and what of it changes readings.
struct Placing {
  std::vector<Reading> rows;
  std::vector<Change> changes;
};
// `rows` in their order. `there`: what the lake has of the identities of those placed by identity.
Placing placed_rows(std::vector<Reading> rows, ByIdentity there);

// Columns of change_columns(). Texts are copied.
void fill_changes(duck::Batch& batch, std::span<const Change> changes);

}  // namespace meterhub::lake
