// GET /api/v1/building-status and /api/v1/district-status: the newest figures, from memory.
#pragma once

#include <meterhub/console/list.h>
#include <meterhub/console/office_lists.h>

namespace meterhub::console {

ListForm building_status_form();
ListSource building_status_list(const OfficeView& view);
ListForm district_status_form();
ListSource district_status_list(const OfficeView& view);

}  // namespace meterhub::console
