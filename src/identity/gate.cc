#include <meterhub/net/accept_rate.h>

#include "answers.h"
#include "authority.h"

namespace meterhub::identity {

class Gate::Rate : public net::AcceptRate {
 public:
  using net::AcceptRate::AcceptRate;
};

Gate::Gate(GetPolicies policies, GateOptions options, const base::Clock& clock)
    : policies_(std::move(policies)),
      options_(std::move(options)),
      clock_(clock),
      rate_(std::make_unique<Rate>(options_.rate, options_.burst, std::chrono::nanoseconds(0))) {}

Gate::~Gate() = default;

std::expected<Asker, http::Response> Gate::admit(const http::Request& request) {
  if (!rate_->admit(request.peer, clock_.monotonic())) {
    return std::unexpected(refusal({base::Errc::kThrottled, "too many requests come from this address"}));
  }
  auto asker =
      check_token(request.header("Authorization"), request.target, *policies_(), options_.host_names, clock_.now());
  if (!asker) return std::unexpected(refusal(asker.error()));
  return std::move(*asker);
}

}  // namespace meterhub::identity
