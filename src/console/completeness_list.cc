#include "completeness_list.h"

#include "tenants.h"

namespace meterhub::console {
namespace {

using enum ValueType;

std::string kind_name(fleet::AreaKind kind) {
  switch (kind) {
    case fleet::AreaKind::kGateway: return "gateway";
    case fleet::AreaKind::kBuilding: return "building";
    case fleet::AreaKind::kDistrict: return "district";
    case fleet::AreaKind::kTenant: break;
  }
  return "tenant";
}

ListRow row_of(const fleet::CountedArea& area, std::string_view day, const fleet::CountFigures& figures,
               const std::string& tenant, base::Timestamp as_of) {
  ListRow row{kind_name(area.kind), std::string(day), tenant, area.district, area.building, area.gateway};
  const auto expected = figures.expected();
  for (const auto count : {expected, figures.received, figures.late})
    row.emplace_back(static_cast<std::int64_t>(count));
  for (const auto count : figures.missing) row.emplace_back(static_cast<std::int64_t>(count));
  row.emplace_back();  // nothing was expected
  if (expected > 0) row.back().emplace<double>(figures.percent());
  row.emplace_back(as_of);
  return row;
}

}  // namespace

std::vector<ListColumn> completeness_columns() {
  return {{"expected", kInteger, "Expected", "应收"},
          {"received", kInteger, "Received", "实收"},
          {"late", kInteger, "Of these late", "其中迟到"},
          {"silent", kInteger, "Meter silent", "表计失联"},
          {"gateway_down", kInteger, "Gateway down", "网关故障"},
          {"decrypt_failed", kInteger, "Not decrypted", "解密失败"},
          {"rejected", kInteger, "Rejected", "被拒收"},
          {"lost", kInteger, "Lost on the air", "空口丢失"},
          {"percent", kNumber, "Percent", "完整率 (%)"}};
}

ListForm completeness_form() {
  ListForm form;
  form.name = "completeness";
  form.english = "Completeness";
  form.chinese = "数据完整率";
  form.columns = {{"kind", kText, "Kind", "类型"},         {"day", kText, "Day", "日期"},
                  {"tenant", kText, "Tenant", "租户"},     {"district", kText, "District", "片区"},
                  {"building", kText, "Building", "楼栋"}, {"gateway", kText, "Gateway", "网关"}};
  const auto figures = completeness_columns();
  form.columns.insert(form.columns.end(), figures.begin(), figures.end());
  form.columns.push_back({"as_of", kTime, "As of", "截至"});
  form.filters = {{"kind", FilterType::kChoice, {}, {"gateway", "building", "district", "tenant"}},
                  {"day", FilterType::kChoice, {}, {"today", "yesterday"}},
                  {"tenant", FilterType::kEqual},
                  {"district", FilterType::kEqual},
                  {"building", FilterType::kEqual},
                  {"gateway", FilterType::kEqual},
                  {"q", FilterType::kSearch}};
  form.order = {{0, true}, {2, false}, {3, false}, {4, false}};
  return form;
}

ListSource completeness_list(const OfficeView& view) {
  return list_of(completeness_form(), [&view](const Caller& caller) -> base::Result<std::vector<ListRow>> {
    std::vector<ListRow> out;
    const auto& found = view.completeness();
    for (const auto& area : found.areas) {
      if (!caller.sees(area.tenant)) continue;
      const auto name = tenant_name(area.tenant, view.directory);
      out.push_back(row_of(area, "today", area.figures.today, name, found.as_of));
      out.push_back(row_of(area, "yesterday", area.figures.yesterday, name, found.as_of));
    }
    return out;
  });
}

}  // namespace meterhub::console
