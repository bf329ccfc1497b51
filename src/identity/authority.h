// Who asks: the token of a request against the policies (spec/azure-amqp.md 3.4). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>
#include <meterhub/identity/device_registry.h>

namespace meterhub::identity {

// `target` as the request has it: a token for one device's path opens that path only. kUnauthorized says why not; the
// token is not in the text. Signatures are compared in constant time.
base::Result<Asker> check_token(std::string_view token, std::string_view target,
                                const std::vector<registry::Policy>& policies,
                                const std::vector<std::string>& host_names, base::Timestamp now);

}  // namespace meterhub::identity
