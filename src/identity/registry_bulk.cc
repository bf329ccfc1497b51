// Up to a hundred devices in one request.
#include <nlohmann/json.hpp>

#include "answers.h"
#include "registry_work.h"

namespace meterhub::identity {
namespace {

using base::Errc;
using base::Result;
using nlohmann::json;

template <class T>
Result<void> outcome(Result<T> result) {
  if (!result) return std::unexpected(std::move(result).error());
  return {};
}

// A device that is not there is made; one that came between is changed after all.
Result<void> create_or_update(const Work& work, const DeviceForm& form, const Match& match) {
  auto updated = update_device(work, form, match);
  if (updated || updated.error().code != Errc::kNotFound) return outcome(std::move(updated));
  auto created = create_device(work, form);
  if (created || created.error().code != Errc::kAlreadyExists) return outcome(std::move(created));
  return outcome(update_device(work, form, match));
}

Result<void> do_item(const Work& work, const BulkItem& item) {
  const Match any{true};
  const Match this_one{false, item.etag};
  switch (item.mode) {
    case ImportMode::kCreate: return outcome(create_device(work, item.device));
    case ImportMode::kUpdate: return outcome(update_device(work, item.device, any));
    case ImportMode::kUpdateIfMatch: return outcome(update_device(work, item.device, this_one));
    case ImportMode::kDelete: return delete_device(work, item.device.id, any);
    case ImportMode::kDeleteIfMatch: return delete_device(work, item.device.id, this_one);
    case ImportMode::kCreateOrUpdate: return create_or_update(work, item.device, any);
    case ImportMode::kCreateOrUpdateIfMatch: return create_or_update(work, item.device, this_one);
  }
  return base::fail(Errc::kInternal, "no such mode");
}

std::string id_of(const json& item) {
  const auto found = item.is_object() ? item.find("id") : item.end();
  return found != item.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Result<void> do_item(const Work& work, const json& item) { return do_item(work, MH_TRY(bulk_item(item))); }

}  // namespace

Result<http::Response> bulk(const Work& work, const http::Request& request) {
  const auto items = MH_TRY(parse_body(request.body));
  if (!items.is_array() || items.empty() || items.size() > kBulkMax) {
    return base::fail(Errc::kInvalidArgument, "the body is an array of 1 to " + std::to_string(kBulkMax) + " devices");
  }
  json errors = json::array();
  for (const auto& item : items) {
    const auto done = do_item(work, item);
    if (done) continue;
    errors.push_back(
        {{"deviceId", id_of(item)}, {"errorCode", error_code(done.error().code)}, {"errorStatus", done.error().text}});
  }
  const bool good = errors.empty();
  return json_answer(good ? 200 : 400,
                     {{"isSuccessful", good}, {"errors", std::move(errors)}, {"warnings", json::array()}});
}

}  // namespace meterhub::identity
