#include "resource.h"

#include <vector>

#include <meterhub/sas/token.h>

namespace meterhub::identity {
namespace {

using base::Errc;
using base::Result;
using http::Method;

// "/devices/a%2Fb/" -> {"devices", "a/b"}: split before it is decoded; a last empty one falls away.
Result<std::vector<std::string>> segments_of(std::string_view target) {
  auto path = target.substr(0, target.find('?'));
  std::vector<std::string> out;
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto part = path.substr(0, path.find('/'));
    auto text = sas::percent_decode(part);
    if (!text) return base::fail(Errc::kInvalidArgument, "the path is malformed");
    out.push_back(std::move(*text));
    path.remove_prefix(part.size());
  }
  if (!out.empty() && out.back().empty()) out.pop_back();
  return out;
}

std::unexpected<base::Error> not_offered(std::string_view what) {
  return base::fail(Errc::kNotImplemented, "this hub has no " + std::string(what));
}

std::unexpected<base::Error> no_such_method(const http::Request& request) {
  return base::fail(Errc::kInvalidArgument,
                    "this path does not take " + std::string(http::method_name(request.method)));
}

Result<Asked> of_all_devices(const http::Request& request) {
  if (request.method == Method::kGet) return Asked{Operation::kList};
  if (request.method == Method::kPost) return Asked{Operation::kBulk};
  return no_such_method(request);
}

// GET /devices/query is a device of that name; its POST is not.
Result<Asked> of_one_device(const http::Request& request, std::string id) {
  switch (request.method) {
    case Method::kGet: return Asked{Operation::kGet, std::move(id)};
    case Method::kPut: return Asked{Operation::kPut, std::move(id)};
    case Method::kDelete: return Asked{Operation::kDelete, std::move(id)};
    case Method::kPost:
      if (id == "query") return Asked{Operation::kQuery};
      break;
    default: break;
  }
  return no_such_method(request);
}

Result<Asked> of_devices(const http::Request& request, std::vector<std::string>& segments) {
  if (segments.size() == 1) return of_all_devices(request);
  if (segments.size() == 2) return of_one_device(request, std::move(segments[1]));
  if (segments[2] == "modules") return not_offered("modules");
  if (segments[2] == "messages") return not_offered("messages over HTTP");
  if (segments[2] == "applyConfigurationContent") return not_offered("configurations");
  return base::fail(Errc::kInvalidArgument, "a device has no " + segments[2].substr(0, 64));
}

Result<Asked> of_statistics(const http::Request& request, const std::vector<std::string>& segments) {
  if (request.method != Method::kGet) return no_such_method(request);
  if (segments.size() == 2 && segments[1] == "devices") return Asked{Operation::kDeviceCounts};
  if (segments.size() == 2 && segments[1] == "service") return Asked{Operation::kConnectionCount};
  return base::fail(Errc::kInvalidArgument, "there are statistics of devices and of service");
}

}  // namespace

Result<Asked> asked_of(const http::Request& request) {
  auto segments = MH_TRY(segments_of(request.target));
  if (segments.empty()) return base::fail(Errc::kInvalidArgument, "there is nothing here");
  if (segments[0] == "devices") return of_devices(request, segments);
  if (segments[0] == "statistics") return of_statistics(request, segments);
  if (segments[0] == "twins" && segments.size() > 2 && segments[2] == "methods") return not_offered("direct methods");
  if (segments[0] == "twins") return not_offered("twins");
  if (segments[0] == "jobs")
    return not_offered("jobs: devices in files go through meterhub registry import and export");
  return not_offered("configurations");
}

bool writes(Operation operation) {
  return operation == Operation::kPut || operation == Operation::kDelete || operation == Operation::kBulk;
}

}  // namespace meterhub::identity
