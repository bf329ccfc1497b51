// GET /api/v1/completeness/days: readings expected and received on closed days, from the database
// (docs/completeness.md).
#pragma once

#include <meterhub/console/list.h>
#include <meterhub/console/office_lists.h>

namespace meterhub::console {

ListForm completeness_days_form();
// Waits for the database.
ListSource completeness_days(const OfficeView& view);

}  // namespace meterhub::console
