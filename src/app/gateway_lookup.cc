#include "gateway_lookup.h"

#include <meterhub/base/encoding.h>

namespace meterhub::app {
namespace {

hub::GatewayPtr view_of(const std::shared_ptr<const registry::GatewayEntry>& entry) {
  if (!entry) return nullptr;
  hub::Gateway out;
  out.id = entry->id;
  out.enabled = entry->enabled;
  out.primary_key = base::base64_encode(entry->keys.primary);
  out.secondary_key = base::base64_encode(entry->keys.secondary);
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
