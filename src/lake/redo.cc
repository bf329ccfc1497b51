#include "redo.h"

#include <set>

#include <meterhub/lake/layout.h>

namespace meterhub::lake {
namespace {

// What decoding yields.
auto values_of(auto& row) {
  return std::tie(row.type, row.code, row.bought, row.left, row.used, row.status, row.version, row.payload);
}

bool has_values(const Reading& row) {
  return row.type || row.code || row.bought || row.left || row.used || row.status || row.version;
}

std::int64_t micros(base::Timestamp time) { return time.time_since_epoch().count(); }

// Appends value by value, column by column.
class ChangeRow {
 public:
  explicit ChangeRow(duck::Batch& batch) : batch_(batch) {}

  template <class T>
  void number(T value) {
    batch_.append(column_++, value);
  }
  void text(std::string_view value) { batch_.append_copy(column_++, value); }
  template <class T>
  void maybe(const std::optional<T>& value) {
    if (value) number(*value);
    else batch_.append_null(column_++);
  }
  void maybe(const std::optional<std::string>& value) {
    if (value) text(*value);
    else batch_.append_null(column_++);
  }
  template <class T>
  void both(const Change& change, std::optional<T> Reading::* value) {
    maybe(change.before.*value);
    maybe(change.after.*value);
  }

 private:
  duck::Batch& batch_;
  std::size_t column_ = 0;
};

}  // namespace

std::optional<Reading> replacement(const Reading& there, const Reading& redo) {
  if (!has_values(redo) || values_of(there) == values_of(redo)) return std::nullopt;
  Reading out = there;
  values_of(out) = values_of(redo);
  out.meter = redo.meter;
  out.stale = false;
  out.redo = true;
  out.offset = redo.offset;
  out.reason = redo.reason;
  out.redone = redo.redone;
  return out;
}

Placing placed_rows(std::vector<Reading> rows, ByIdentity there) {
  std::set<Identity> asked;
  for (const Reading& row : rows) {
    if (by_identity(row)) asked.insert(identity_of(row));
  }
  for (const Reading& row : rows) {
    if (by_identity(row)) continue;
    if (auto identity = identity_of(row); asked.contains(identity)) there.try_emplace(std::move(identity), row);
  }
  Placing out;
  out.rows.reserve(rows.size());
  for (Reading& row : rows) {
    if (!by_identity(row)) {
      out.rows.push_back(std::move(row));
      continue;
    }
    const auto [known, is_new] = there.try_emplace(identity_of(row), row);
    if (!is_new && row.redo) {
      auto instead = replacement(known->second, row);
      if (!instead) continue;
      out.changes.push_back({std::move(known->second), *instead});
      known->second = *instead;
      row = std::move(*instead);
    }
    row.time = known->second.time;
    out.rows.push_back(std::move(row));
  }
  return out;
}

void fill_changes(duck::Batch& batch, std::span<const Change> changes) {
  batch.clear();
  for (const Change& change : changes) {
    const Reading& now = change.after;
    ChangeRow row(batch);
    row.number(micros(now.redone));
    row.text(now.reason);
    row.text(now.device);
    row.number(micros(now.time));
    row.number(now.tenant.value);
    row.number(now.session.value);
    row.number(now.generation.value);
    row.number(now.fcnt);
    row.both(change, &Reading::type);
    row.both(change, &Reading::code);
    row.both(change, &Reading::bought);
    row.both(change, &Reading::left);
    row.both(change, &Reading::used);
    row.both(change, &Reading::status);
    row.both(change, &Reading::version);
    row.both(change, &Reading::payload);
  }
}

}  // namespace meterhub::lake
