#include "gateway_lookup.h"

#include <meterhub/base/ascii.h>
#include <meterhub/base/encoding.h>

namespace meterhub::app {
namespace {

hub::Proof proof_of(std::string_view authentication) {
  if (authentication == registry::kSasAuthentication) return hub::Proof::kKeys;
  if (authentication == registry::kThumbprintAuthentication) return hub::Proof::kThumbprint;
  if (authentication == registry::kAuthorityAuthentication) return hub::Proof::kAuthority;
  return hub::Proof::kNone;
}

hub::GatewayPtr view_of(const std::shared_ptr<const registry::GatewayEntry>& entry) {
  if (!entry) return nullptr;
  hub::Gateway out;
  out.id = entry->id;
  out.enabled = entry->enabled;
  out.proof = proof_of(entry->authentication);
  // What its authentication has no use for opens nothing.
  if (out.proof == hub::Proof::kKeys) {
    out.primary_key = base::base64_encode(entry->keys.primary);
    out.secondary_key = base::base64_encode(entry->keys.secondary);
  }
  if (out.proof == hub::Proof::kThumbprint) {
    out.primary_thumbprint = base::lower_case(entry->thumbprints.primary);
    out.secondary_thumbprint = base::lower_case(entry->thumbprints.secondary);
  }
  out.eui = entry->eui;
  out.tenant = entry->tenant;
  out.generation_id = entry->generation_id;
  return std::make_shared<const hub::Gateway>(std::move(out));
}

class Watch final : public hub::GatewayWatch {
 public:
  explicit Watch(std::unique_ptr<registry::Subscription> subscription) : subscription_(std::move(subscription)) {}

 private:
  std::unique_ptr<registry::Subscription> subscription_;
};

}  // namespace

hub::GatewayPtr GatewayLookup::find(std::string_view id) const { return view_of(directory_.gateway(id)); }

hub::GatewayPtr GatewayLookup::find(base::Eui64 eui) const { return view_of(directory_.gateway(eui)); }

std::unique_ptr<hub::GatewayWatch> GatewayLookup::watch(base::Executor& call_on,
                                                        std::function<void(std::string id)> changed) {
  return std::make_unique<Watch>(directory_.on_gateway_change(
      call_on, [tell = std::move(changed)](const std::string& id, const std::shared_ptr<const registry::GatewayEntry>&) {
        tell(id);
      }));
}

}  // namespace meterhub::app
