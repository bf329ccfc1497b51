// Episodes as rows of lists, and filters of a query string as those of module alarm.
#pragma once

#include <meterhub/console/list.h>
#include <meterhub/console/office_lists.h>

namespace meterhub::console {

ListForm episode_list_form();
ListSource episode_list(const OfficeView& view);
// Those that are over, from the database, cleared last first.
ListForm cleared_list_form();
ListSource cleared_list(const OfficeView& view);

// Which open episodes a query admits, of those the caller may see. kInvalidArgument for a value that is none. `view`
// outlives the filter.
base::Result<alarm::Filter> episode_filter(const ListQuery& query, const Caller& caller, const OfficeView& view);

}  // namespace meterhub::console
