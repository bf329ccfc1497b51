#include "episode_list.h"

#include <algorithm>
#include <array>
#include <memory>
#include <set>

#include <meterhub/base/json_text.h>
#include <meterhub/base/time_text.h>
#include <meterhub/tables/episodes.h>

#include "tenants.h"

namespace meterhub::console {
namespace {

using alarm::Episode;
using enum ValueType;

// Rows of one block of the engine's list: it is sorted anew for each.
constexpr std::size_t kRowsOfBlock = 5'000;

template <std::size_t N>
std::vector<std::string> texts(const alarm::Names<N>& names) {
  return {names.begin(), names.end()};
}

// Between the names of a place that is a subject.
constexpr std::string_view kOf = " / ";

// Where a meter hangs, or which place it is; empty for all else, and for a meter that is of another tenant by now: where
// it hangs is none of its former one's business.
struct Place {
  std::string district, building, floor, unit;
};
Place place_of(const Episode& episode, const registry::Directory& directory) {
  const auto& subject = episode.subject;
  Place out;
  if (subject.kind == alarm::SubjectKind::kDistrict || subject.kind == alarm::SubjectKind::kBuilding) {
    // "Tenant / District / Building"
    const auto first = subject.name.find(kOf);
    if (first == std::string::npos) return out;
    const auto rest = std::string_view(subject.name).substr(first + kOf.size());
    const auto second = rest.find(kOf);
    out.district = rest.substr(0, second);
    if (second != std::string_view::npos) out.building = rest.substr(second + kOf.size());
  }
  if (subject.kind != alarm::SubjectKind::kMeter) return out;
  const auto meter = directory.meter(base::Eui64(subject.number));
  if (!meter || meter->tenant != episode.tenant) return out;
  if (const auto building = directory.building(meter->building)) {
    out.district = building->district;
    out.building = building->name;
  }
  out.floor = directory.label(meter->floor);
  out.unit = directory.label(meter->unit_name);
  return out;
}

Value time_value(const std::optional<base::Timestamp>& time) { return time ? Value(*time) : Value(); }
Value text_value(std::string_view text) { return std::string(text); }

ListRow row_of(const Episode& episode, const registry::Directory& directory) {
  auto place = place_of(episode, directory);
  return {static_cast<std::int64_t>(episode.id.value),
          text_value(alarm::name(episode.severity)),
          text_value(alarm::name(episode.rule)),
          text_value(alarm::name(episode.state)),
          text_value(alarm::name(episode.subject.kind)),
          episode.subject.text(),
          tenant_name(episode.tenant, directory),
          std::move(place.district),
          std::move(place.building),
          std::move(place.floor),
          std::move(place.unit),
          episode.raised,
          episode.last_seen,
          time_value(episode.cleared),
          static_cast<std::int64_t>(episode.count),
          std::int64_t{episode.reopened},
          episode.owner,
          episode.acknowledged_by,
          time_value(episode.acknowledged),
          time_value(episode.shelved_until),
          episode.detail,
          episode.comment};
}

std::vector<ListColumn> columns() {
  return {{"id", kInteger, "Number", "编号"},
          {"severity", kText, "Severity", "级别"},
          {"rule", kText, "Trouble", "告警"},
          {"state", kText, "State", "状态"},
          {"kind", kText, "Kind", "对象类型", false},
          {"subject", kText, "Subject", "对象"},
          {"tenant", kText, "Tenant", "租户"},
          {"district", kText, "District", "片区", false},
          {"building", kText, "Building", "楼栋", false},
          {"floor", kText, "Floor", "楼层", false},
          {"unit", kText, "Flat", "房号", false},
          {"raised", kTime, "Raised", "发生时间"},
          {"last_seen", kTime, "Last seen", "最近出现"},
          {"cleared", kTime, "Cleared", "恢复时间", false},
          {"count", kInteger, "Seen", "次数"},
          {"reopened", kInteger, "Came back", "复发次数", false},
          {"owner", kText, "Owner", "负责人"},
          {"acknowledged_by", kText, "Acknowledged by", "确认人", false},
          {"acknowledged", kTime, "Acknowledged", "确认时间", false},
          {"shelved_until", kTime, "Shelved until", "搁置至", false},
          {"detail", kText, "Figure", "详情", false},
          {"comment", kText, "Comment", "备注", false}};
}

// By column; those that are not sortable do not count.
alarm::SortKey sort_key_of(std::string_view column) {
  static constexpr std::array<std::pair<std::string_view, alarm::SortKey>, 10> kKeys{
      {{"id", alarm::SortKey::kId},
       {"severity", alarm::SortKey::kSeverity},
       {"state", alarm::SortKey::kState},
       {"rule", alarm::SortKey::kRule},
       {"raised", alarm::SortKey::kRaised},
       {"last_seen", alarm::SortKey::kLastSeen},
       {"count", alarm::SortKey::kCount},
       {"tenant", alarm::SortKey::kTenant},
       {"subject", alarm::SortKey::kSubject},
       {"owner", alarm::SortKey::kOwner}}};
  const auto found = std::ranges::find(kKeys, column, &std::pair<std::string_view, alarm::SortKey>::first);
  return found == kKeys.end() ? alarm::SortKey::kId : found->second;
}

template <class Enum, std::size_t N>
base::Result<std::vector<Enum>> chosen(const ListQuery& query, std::string_view name, const alarm::Names<N>& names) {
  std::vector<Enum> out;
  for (const auto value : query.values(name)) {
    const auto found = alarm::from_name<Enum>(names, value);
    if (!found)
      return base::fail(base::Errc::kInvalidArgument, std::string(name) + ": there is no " + std::string(value));
    out.push_back(*found);
  }
  return out;
}

std::vector<std::string> asked(const ListQuery& query, std::string_view name) {
  const auto values = query.values(name);
  return {values.begin(), values.end()};
}

bool is_any(const std::vector<std::string>& wanted, std::string_view value) {
  return wanted.empty() || std::ranges::find(wanted, value) != wanted.end();
}

// What the engine does not know of a subject: where it is, and the text that people search for.
struct Words {
  std::vector<std::string> subjects, districts, buildings, owners;
  std::string search;
  const registry::Directory& directory;
  // Buildings of those names, by number, where any is asked for: a text less to look at in each episode.
  std::shared_ptr<const std::set<std::uint32_t>> numbers{};

  void find_places() {
    if (districts.empty() && buildings.empty()) return;
    std::set<std::uint32_t> found;
    for (const auto& building : directory.buildings())
      if (is_any(districts, building.district) && is_any(buildings, building.name)) found.insert(building.number.value);
    numbers = std::make_shared<const std::set<std::uint32_t>>(std::move(found));
  }
  bool is_there(const Episode& episode) const {
    if (episode.subject.kind == alarm::SubjectKind::kMeter) {
      const auto meter = directory.meter(base::Eui64(episode.subject.number));
      return meter && meter->tenant == episode.tenant && numbers->contains(meter->building.value);
    }
    const auto place = place_of(episode, directory);
    return is_any(districts, place.district) && is_any(buildings, place.building);
  }
  bool is_empty() const {
    return subjects.empty() && districts.empty() && buildings.empty() && owners.empty() && search.empty();
  }
  bool operator()(const Episode& episode) const {
    if (!is_any(owners, episode.owner) || !is_any(subjects, episode.subject.text())) return false;
    if (numbers && !is_there(episode)) return false;
    if (search.empty()) return true;
    const auto place = place_of(episode, directory);
    for (const std::string_view text :
         {std::string_view(episode.detail), std::string_view(episode.comment), std::string_view(episode.owner),
          std::string_view(place.building), std::string_view(place.unit), std::string_view(place.district)})
      if (holds_text(text, search)) return true;
    return holds_text(episode.subject.text(), search);
  }
};

class OpenRows final : public ListRows {
 public:
  OpenRows(const OfficeView& view, alarm::Filter filter, std::vector<alarm::SortBy> order, const ListWindow& window)
      : view_(view), filter_(std::move(filter)), order_(std::move(order)), next_(window.offset), left_(window.limit) {
    fetch();
  }

  std::optional<std::uint64_t> total() const override { return total_; }

  base::Result<std::vector<ListRow>> next(std::size_t most) override {
    if (place_ == block_.size() && left_ > 0) fetch();
    std::vector<ListRow> out;
    for (; out.size() < most && place_ < block_.size(); ++place_)
      out.push_back(row_of(block_[place_], view_.directory));
    return out;
  }

 private:
  void fetch() {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, kRowsOfBlock));
    auto listing = view_.episodes.list(filter_, order_, {static_cast<std::size_t>(next_), size});
    total_ = listing.total;
    block_ = std::move(listing.episodes);
    place_ = 0;
    next_ += block_.size();
    left_ = block_.size() < size ? 0 : left_ - block_.size();
  }

  const OfficeView& view_;
  alarm::Filter filter_;
  std::vector<alarm::SortBy> order_;
  std::uint64_t next_;
  std::uint64_t left_;
  std::uint64_t total_ = 0;
  std::vector<Episode> block_;
  std::size_t place_ = 0;
};

class ClearedRows final : public ListRows {
 public:
  ClearedRows(const OfficeView& view, tables::ClearedFilter filter, const ListWindow& window)
      : view_(view), filter_(std::move(filter)), skip_(window.offset), left_(window.limit) {}

  base::Result<void> count() {
    return view_.database.read([this](db::Connection& connection) -> base::Result<void> {
      total_ = static_cast<std::uint64_t>(MH_TRY(tables::count_cleared(connection, filter_)));
      return {};
    });
  }
  std::optional<std::uint64_t> total() const override { return total_; }

  base::Result<std::vector<ListRow>> next(std::size_t most) override {
    std::vector<ListRow> out;
    while (out.empty() && left_ > 0 && !ended_) {
      const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(most, skip_ + left_));
      std::vector<Episode> found;
      const auto read = view_.database.read([&](db::Connection& connection) -> base::Result<void> {
        found = MH_TRY(tables::read_cleared(connection, filter_, after_, wanted));
        return {};
      });
      if (!read) return std::unexpected(read.error());
      ended_ = found.size() < wanted;
      if (!found.empty()) after_ = {.cleared = found.back().cleared.value_or(base::Timestamp{}), .id = found.back().id};
      for (const auto& episode : found) {
        if (skip_ > 0) {
          --skip_;
        } else if (left_ > 0) {
          --left_;
          out.push_back(row_of(episode, view_.directory));
        }
      }
    }
    return out;
  }

 private:
  const OfficeView& view_;
  tables::ClearedFilter filter_;
  std::uint64_t skip_;
  std::uint64_t left_;
  std::uint64_t total_ = 0;
  std::optional<tables::ClearedPlace> after_;
  bool ended_ = false;
};

}  // namespace

ListForm episode_list_form() {
  ListForm form;
  form.name = "episodes";
  form.english = "Episodes";
  form.chinese = "告警事件";
  form.columns = columns();
  form.filters = {{"rule", FilterType::kChoice, {}, texts(alarm::kRuleNames)},
                  {"severity", FilterType::kChoice, {}, texts(alarm::kSeverityNames)},
                  {"state", FilterType::kChoice, {}, texts(alarm::kStateNames)},
                  {"kind", FilterType::kChoice, {}, texts(alarm::kSubjectKindNames)},
                  {"subject", FilterType::kEqual},
                  {"tenant", FilterType::kEqual},
                  {"district", FilterType::kEqual},
                  {"building", FilterType::kEqual},
                  {"owner", FilterType::kEqual},
                  {"from", FilterType::kFrom, "raised"},
                  {"to", FilterType::kTo, "raised"},
                  {"q", FilterType::kSearch}};
  form.order = {{1, true}, {11, true}};
  return form;
}

base::Result<alarm::Filter> episode_filter(const ListQuery& query, const Caller& caller, const OfficeView& view) {
  alarm::Filter out;
  out.rules = MH_TRY(chosen<alarm::Rule>(query, "rule", alarm::kRuleNames));
  out.severities = MH_TRY(chosen<alarm::Severity>(query, "severity", alarm::kSeverityNames));
  out.states = MH_TRY(chosen<alarm::State>(query, "state", alarm::kStateNames));
  out.kinds = MH_TRY(chosen<alarm::SubjectKind>(query, "kind", alarm::kSubjectKindNames));
  out.tenants = tenants_of(query, caller, view.directory);
  out.raised_from = query.time("from");
  out.raised_before = query.time("to");
  Words words{asked(query, "subject"), asked(query, "district"),     asked(query, "building"),
              asked(query, "owner"),   std::string(query.text("q")), view.directory};
  words.find_places();
  if (!words.is_empty()) out.matches = std::move(words);
  return out;
}

ListSource episode_list(const OfficeView& view) {
  return [&view, form = episode_list_form()](const ListQuery& query, const Caller& caller,
                                             const ListWindow& window) -> base::Result<std::unique_ptr<ListRows>> {
    auto filter = MH_TRY(episode_filter(query, caller, view));
    std::vector<alarm::SortBy> order;
    for (const auto& key : query.sort) order.push_back({sort_key_of(form.columns[key.column].name), key.descending});
    return std::make_unique<OpenRows>(view, std::move(filter), std::move(order), window);
  };
}

ListForm cleared_list_form() {
  ListForm form;
  form.name = "cleared-episodes";
  form.english = "Cleared episodes";
  form.chinese = "已恢复告警";
  form.columns = columns();
  for (auto& column : form.columns) column.sortable = false;
  form.filters = {{"rule", FilterType::kChoice, {}, texts(alarm::kRuleNames)},
                  {"severity", FilterType::kChoice, {}, texts(alarm::kSeverityNames)},
                  {"tenant", FilterType::kEqual},
                  {"owner", FilterType::kEqual},
                  {"meter", FilterType::kEqual, "subject"},
                  {"gateway", FilterType::kEqual, "subject"},
                  {"from", FilterType::kFrom, "cleared"},
                  {"to", FilterType::kTo, "cleared"}};
  return form;
}

ListSource cleared_list(const OfficeView& view) {
  return [&view](const ListQuery& query, const Caller& caller,
                 const ListWindow& window) -> base::Result<std::unique_ptr<ListRows>> {
    tables::ClearedFilter filter;
    filter.rules = MH_TRY(chosen<alarm::Rule>(query, "rule", alarm::kRuleNames));
    filter.severities = MH_TRY(chosen<alarm::Severity>(query, "severity", alarm::kSeverityNames));
    filter.tenants = tenants_of(query, caller, view.directory);
    if (query.has("owner")) filter.owner = std::string(query.text("owner"));
    if (query.has("meter")) filter.subject = alarm::Subject::meter(MH_TRY(base::Eui64::parse(query.text("meter"))));
    if (query.has("gateway"))
      filter.subject = alarm::Subject::named(alarm::SubjectKind::kGateway, std::string(query.text("gateway")));
    filter.cleared_from = query.time("from");
    filter.cleared_before = query.time("to");
    auto rows = std::make_unique<ClearedRows>(view, std::move(filter), window);
    MH_TRY_VOID(rows->count());
    return rows;
  };
}

std::string episode_json(const Episode& episode, const registry::Directory& directory) {
  const auto row = row_of(episode, directory);
  const auto form = columns();
  std::string out = "{";
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (i > 0) out += ',';
    base::append_json_string(out, form[i].name);
    out += ':';
    if (const auto* const text = std::get_if<std::string>(&row[i])) {
      base::append_json_string(out, *text);
    } else if (const auto* const number = std::get_if<std::int64_t>(&row[i])) {
      out += std::to_string(*number);
    } else if (const auto* const time = std::get_if<base::Timestamp>(&row[i])) {
      base::append_json_string(out, base::rfc3339(*time));
    } else {
      out += "null";
    }
  }
  return out + '}';
}

}  // namespace meterhub::console
