// GET /api/v1/completeness: readings expected and received today and yesterday, from memory (docs/completeness.md).
#pragma once

#include <meterhub/console/list.h>
#include <meterhub/console/office_lists.h>

namespace meterhub::console {

ListForm completeness_form();
ListSource completeness_list(const OfficeView& view);

}  // namespace meterhub::console
