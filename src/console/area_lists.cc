#include "area_lists.h"

#include "tenants.h"

namespace meterhub::console {
namespace {

using enum ValueType;

std::vector<ListColumn> figure_columns() {
  return {{"meters", kInteger, "Meters", "表数"},
          {"online", kInteger, "Online", "在线"},
          {"low", kInteger, "Low", "余量不足"},
          {"closed", kInteger, "Closed", "关阀"},
          {"silent", kInteger, "Silent", "失联"},
          {"faulty", kInteger, "Faulty", "故障"},
          {"unheard", kInteger, "Never heard", "从未上报"},
          {"open_alarms", kInteger, "Open troubles", "未恢复告警"},
          {"flow", kVolume, "Flow, m³/h", "当前流量 (m³/h)"},
          {"used_today", kVolume, "Used today, m³", "今日用气 (m³)"},
          {"used_yesterday", kVolume, "Used yesterday, m³", "昨日用气 (m³)"},
          {"used_week_ago", kVolume, "Used a week ago, m³", "上周同日用气 (m³)"},
          {"as_of", kTime, "As of", "截至"}};
}

void put_figures(ListRow& row, const fleet::AreaFigures& figures, base::Timestamp as_of) {
  for (const auto count : {figures.meters, figures.online, figures.low, figures.closed, figures.silent, figures.faulty,
                           figures.unheard, figures.open_alarms})
    row.emplace_back(std::int64_t{count});
  for (const auto litres :
       {static_cast<std::int64_t>(figures.flow), figures.used_today, figures.used_yesterday, figures.used_week_ago})
    row.emplace_back(litres);
  row.emplace_back(as_of);
}

ListForm form_of(std::string name, std::string english, std::string chinese, std::vector<ListColumn> heads) {
  ListForm form;
  form.name = std::move(name);
  form.english = std::move(english);
  form.chinese = std::move(chinese);
  form.columns = std::move(heads);
  for (auto& column : figure_columns()) form.columns.push_back(std::move(column));
  form.filters = {{"tenant", FilterType::kEqual}, {"district", FilterType::kEqual}};
  form.order = {{0, false}, {1, false}};
  return form;
}

}  // namespace

ListForm building_status_form() {
  auto form = form_of("building-status", "Buildings", "楼栋状况",
                      {{"tenant", kText, "Tenant", "租户"},
                       {"district", kText, "District", "片区"},
                       {"building", kText, "Building", "楼栋"}});
  form.filters.push_back({"building", FilterType::kEqual});
  form.filters.push_back({"q", FilterType::kSearch});
  form.order.push_back({2, false});
  return form;
}

ListSource building_status_list(const OfficeView& view) {
  return list_of(building_status_form(), [&view](const Caller& caller) -> base::Result<std::vector<ListRow>> {
    std::vector<ListRow> out;
    const auto& surveyed = view.surveyed();
    for (const auto& building : surveyed.buildings) {
      if (!caller.sees(building.building.tenant)) continue;
      ListRow row{tenant_name(building.building.tenant, view.directory), building.building.district,
                  building.building.name};
      put_figures(row, building.figures, surveyed.as_of);
      out.push_back(std::move(row));
    }
    return out;
  });
}

ListForm district_status_form() {
  return form_of("district-status", "Districts", "片区状况",
                 {{"tenant", kText, "Tenant", "租户"},
                  {"district", kText, "District", "片区"},
                  {"buildings", kInteger, "Buildings", "楼栋数"}});
}

ListSource district_status_list(const OfficeView& view) {
  return list_of(district_status_form(), [&view](const Caller& caller) -> base::Result<std::vector<ListRow>> {
    std::vector<ListRow> out;
    const auto& surveyed = view.surveyed();
    for (const auto& district : surveyed.districts) {
      if (!caller.sees(district.tenant)) continue;
      ListRow row{tenant_name(district.tenant, view.directory), district.district, std::int64_t{district.buildings}};
      put_figures(row, district.figures, surveyed.as_of);
      out.push_back(std::move(row));
    }
    return out;
  });
}

}  // namespace meterhub::console
