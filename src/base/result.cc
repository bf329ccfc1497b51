#include <meterhub/base/result.h>

#include <array>
#include <utility>

#include <meterhub/base/assert.h>

namespace meterhub::base {
namespace {

constexpr std::array<ErrorClass, 17> kClasses{{
    {"invalid_argument", "amqp:not-allowed", 400, false},
    {"not_found", "amqp:not-found", 404, false},
    {"already_exists", "com.microsoft:device-already-exists", 409, false},
    {"precondition", "com.microsoft:precondition-failed", 412, false},
    {"unauthorized", "amqp:unauthorized-access", 401, false},
    {"forbidden", "amqp:unauthorized-access", 403, false},
    {"too_large", "amqp:link:message-size-exceeded", 413, false},
    {"resource_exhausted", "amqp:resource-limit-exceeded", 429, true},
    {"throttled", "com.microsoft:device-container-throttled", 429, true},
    {"unavailable", "com.microsoft:server-busy", 503, true},
    {"timeout", "com.microsoft:timeout", 504, true},
    {"fenced", "amqp:link:stolen", 409, false},
    {"cancelled", "amqp:link:detach-forced", 503, true},
    {"corrupt", "amqp:internal-error", 500, false},
    {"io", "amqp:internal-error", 500, false},
    {"not_implemented", "amqp:not-implemented", 501, false},
    {"internal", "amqp:internal-error", 500, false},
}};
static_assert(kClasses.size() == std::to_underlying(Errc::kInternal) + 1);

}  // namespace

const ErrorClass& error_class(Errc code) {
  MH_ASSERT(std::to_underlying(code) < kClasses.size());
  return kClasses[std::to_underlying(code)];
}

}  // namespace meterhub::base
