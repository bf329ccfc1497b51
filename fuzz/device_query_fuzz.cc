// The text of a query over devices, which comes from clients. It says the same of the same device each time, and a
// condition and NOT of it never hold together. The input is taken as a whole query and as a condition.
#include <identity/query.h>

#include "input.h"

MH_FUZZER(device_query, input) {
  using namespace meterhub;
  using fuzz::require;
  const auto text = std::string(input.text());
  const identity::DeviceRow row{.device_id = "gw-1",
                                .status = "enabled",
                                .status_reason = std::nullopt,
                                .connection_state = "Connected",
                                .authentication_type = "sas"};
  if (const auto query = identity::DeviceQuery::parse(text)) {
    require(query->matches(row) == identity::DeviceQuery::parse(text)->matches(row));
  } else {
    require(!query.error().text.empty());
  }
  const auto condition = identity::DeviceQuery::parse("SELECT * FROM devices WHERE " + text);
  const auto turned = identity::DeviceQuery::parse("SELECT * FROM devices WHERE NOT (" + text + ")");
  if (condition && turned) require(!condition->matches(row) || !turned->matches(row));
}
