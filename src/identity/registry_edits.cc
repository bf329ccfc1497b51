// One device: make, change, remove.
#include "registry_work.h"

namespace meterhub::identity {
namespace {

using base::Errc;
using base::Result;

// Others edit the registry too: what was read before an edit may be another device's state by then.
constexpr int kTries = 5;

// The store speaks of gateways.
std::unexpected<base::Error> of_device(base::Error error, std::string_view id) {
  if (error.code == Errc::kNotFound) error.text = "there is no device " + std::string(id);
  if (error.code == Errc::kAlreadyExists) error.text = "there is a device " + std::string(id) + " already";
  if (error.code == Errc::kPrecondition)
    error.text = "the device " + std::string(id) + " was changed: its ETag is another one";
  return std::unexpected(std::move(error));
}

// A tenant that is not there is a mistake in the settings, not a device that is not found.
Result<void> check_tenant(const Work& work) {
  const auto& name = work.options.tenant;
  if (!name.empty()) {
    const auto found = work.store.tenant(name);
    return found ? Result<void>() : base::fail(Errc::kInvalidArgument, "registry.rest_tenant: " + found.error().text);
  }
  const auto count = MH_TRY(work.store.tenants()).size();
  if (count == 1) return {};
  if (count == 0)
    return base::fail(Errc::kInvalidArgument, "there is no tenant yet: meterhub registry add tenant NAME");
  return base::fail(Errc::kInvalidArgument,
                    "there are several tenants: the setting registry.rest_tenant says which one gets devices");
}

Result<registry::Gateway> read(const Work& work, std::string_view id) {
  auto out = work.store.gateway(id);
  if (!out) return of_device(std::move(out).error(), id);
  return out;
}

}  // namespace

std::optional<Match> match_of(const http::Request& request) {
  auto text = request.header("If-Match");
  if (text.empty()) return std::nullopt;
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  return Match{text == "*", std::string(text)};
}

Result<registry::Gateway> create_device(const Work& work, const DeviceForm& form) {
  if (work.device_count() >= work.options.devices_max) {
    return base::fail(Errc::kResourceExhausted,
                      "there are " + std::to_string(work.options.devices_max) + " devices, the most there may be");
  }
  MH_TRY_VOID(check_tenant(work));
  auto spec = spec_of(form, nullptr);
  spec.tenant = work.options.tenant;
  auto out = work.store.add_gateway(work.asker.actor, spec);
  if (!out) return of_device(std::move(out).error(), form.id);
  return out;
}

Result<registry::Gateway> update_device(const Work& work, const DeviceForm& form, const Match& match) {
  for (int tries = 1;; ++tries) {
    const auto old = MH_TRY(read(work, form.id));
    if (!match.any && match.etag != old.etag) return of_device({Errc::kPrecondition, {}}, form.id);
    const auto spec = spec_of(form, &old);
    auto out = work.store.update_gateway(work.asker.actor, spec, old.etag);
    if (out) return out;
    const bool again = match.any && out.error().code == Errc::kPrecondition && tries < kTries;
    if (!again) return of_device(std::move(out).error(), form.id);
  }
}

Result<void> delete_device(const Work& work, std::string_view id, const Match& match) {
  auto out = work.store.remove_gateway(work.asker.actor, id,
                                       match.any ? std::nullopt : std::optional<std::string_view>(match.etag));
  if (!out) return of_device(std::move(out).error(), id);
  return {};
}

}  // namespace meterhub::identity
