// From one AMQP delivery to the records of the log. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <meterhub/base/bytes.h>
#include <meterhub/base/result.h>
#include <meterhub/log/record.h>

namespace meterhub::hub {

// One record for a plain message, one per event of Microsoft's batch; all or an error
// (kInvalidArgument). Keeps the sections `properties` and `application-properties` as sent.
base::Result<std::vector<log::NewRecord>> records_of(base::BytesView payload, std::uint32_t message_format,
                                                     const std::string& gateway);

}  // namespace meterhub::hub
