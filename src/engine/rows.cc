#include "rows.h"

#include <algorithm>

#include "tight.h"

namespace meterhub::engine {
namespace {

enum Part : std::uint8_t { kWhole = 1, kMetadata = 2, kNobody = 4, kTight = 8 };

bool asks(const sql::ExprPtr& expr) {
  if (!expr) return false;
  if (expr->function != nullptr && expr->function->id == sql::FunctionId::kGetMetadataPropertyValue) return true;
  return std::ranges::any_of(expr->args, asks);
}

bool any_asks(const std::vector<sql::ExprPtr>& exprs) { return std::ranges::any_of(exprs, asks); }

bool asks(const sql::Select& select) {
  const auto in_source = [](const sql::Source& source) {
    if (source.apply) return asks(source.apply->argument);
    if (!source.join) return false;
    const auto in_key = [](const sql::KeyPair& pair) { return asks(pair.left) || asks(pair.right); };
    return asks(source.join->residual) || std::ranges::any_of(source.join->keys, in_key);
  };
  const auto in_call = [](const sql::AnalyticCall& call) {
    return any_asks(call.args) || any_asks(call.partition) || asks(call.when) || asks(call.fallback);
  };
  const auto in_item = [](const sql::Item& item) { return item.kind == sql::ItemKind::kStar || asks(item.expr); };
  if (std::ranges::any_of(select.sources, in_source) || std::ranges::any_of(select.analytics, in_call)) return true;
  if (select.match) {
    const auto in_variable = [](const sql::MatchVariable& variable) { return asks(variable.define); };
    if (any_asks(select.match->partition) || std::ranges::any_of(select.match->variables, in_variable)) return true;
  }
  if (select.grouping) {
    const auto in_aggregate = [](const sql::AggregateCall& call) { return any_asks(call.args); };
    if (any_asks(select.grouping->keys) || std::ranges::any_of(select.grouping->aggregates, in_aggregate)) return true;
  }
  return asks(select.where) || asks(select.having) || std::ranges::any_of(select.items, in_item);
}

void pack_row(std::string& out, const SourceRow& row, bool with_metadata, bool tight) {
  if (row.nobody) {
    out.push_back(static_cast<char>(kNobody));
    return;
  }
  const bool metadata = with_metadata && row.metadata != nullptr;
  out.push_back(static_cast<char>((row.whole.empty() ? 0 : kWhole) | (metadata ? kMetadata : 0) | (tight ? kTight : 0)));
  if (tight) pack_time(out, row.time);
  else pack_signed(out, row.time);
  pack_number(out, row.origin.partition);
  pack_number(out, row.origin.offset);
  pack_number(out, row.origin.tenant);
  pack_number(out, row.values.size());
  for (const auto& value : row.values) tight ? pack_tight(out, value) : pack(out, value);
  if (!row.whole.empty()) pack_bytes(out, row.whole);
  if (!metadata) return;
  pack_bytes(out, row.metadata->input);
  pack_signed(out, row.metadata->arrival);
  pack_bytes(out, row.metadata->device);
}

}  // namespace

void pack_row(std::string& out, const SourceRow& row, bool with_metadata) { pack_row(out, row, with_metadata, false); }
void pack_row_tight(std::string& out, const SourceRow& row, bool with_metadata) { pack_row(out, row, with_metadata, true); }

bool UnpackedRow::read(Unpacker& from) {
  const auto parts = from.number();
  row_ = {};
  row_.nobody = (parts & kNobody) != 0;
  if (row_.nobody) return from.ok();
  const bool tight = (parts & kTight) != 0;
  row_.time = tight ? take_time(from) : from.signed_number();
  row_.origin.partition = static_cast<std::uint32_t>(from.number());
  row_.origin.offset = from.number();
  row_.origin.tenant = static_cast<std::uint32_t>(from.number());
  const auto count = from.number();
  if (!from.ok() || count > from.rest().size()) return false;  // a value has a byte at least
  values_.clear();
  texts_.clear();
  for (std::uint64_t i = 0; i < count; ++i) values_.push_back(tight ? take_tight(from, texts_) : from.value());
  row_.values = values_;
  if ((parts & kWhole) != 0) row_.whole = from.bytes();
  if ((parts & kMetadata) != 0) {
    metadata_.input = from.bytes();
    metadata_.arrival = from.signed_number();
    metadata_.device = from.bytes();
    metadata_.partition = row_.origin.partition;
    metadata_.offset = row_.origin.offset;
    row_.metadata = &metadata_;
  }
  return from.ok();
}

bool uses_metadata(const sql::Plan& plan) {
  return std::ranges::any_of(plan.steps, [](const sql::Step& step) { return std::ranges::any_of(step.branches, [](const auto& b) { return asks(b); }); });
}

}  // namespace meterhub::engine
