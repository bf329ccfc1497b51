// GET /api/v1/completeness: readings expected and received today and yesterday, from memory (docs/completeness.md).
#pragma once

#include <vector>

#include <meterhub/console/list.h>
#include <meterhub/console/office_lists.h>

namespace meterhub::console {

// What was expected and received, and why the rest is missing: of days that are open and of closed ones.
std::vector<ListColumn> completeness_columns();

ListForm completeness_form();
ListSource completeness_list(const OfficeView& view);

}  // namespace meterhub::console
