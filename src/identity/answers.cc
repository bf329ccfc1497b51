#include "answers.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace meterhub::identity {
namespace {

struct Meaning {
  unsigned status;
  std::string_view code;
};

Meaning meaning_of(base::Errc code) {
  using base::Errc;
  switch (code) {
    case Errc::kInvalidArgument:
    case Errc::kTooLarge: return {400, "ArgumentInvalid"};
    case Errc::kUnauthorized:
    // A 403 of any kind is TooManyDevices to Microsoft's clients, so whoever may not is answered as whoever is not
    // known.
    case Errc::kForbidden: return {401, "IotHubUnauthorizedAccess"};
    case Errc::kResourceExhausted: return {403, "TooManyDevices"};
    case Errc::kNotFound: return {404, "DeviceNotFound"};
    case Errc::kAlreadyExists: return {409, "DeviceAlreadyExists"};
    case Errc::kPrecondition: return {412, "PreconditionFailed"};
    case Errc::kThrottled: return {429, "ThrottlingException"};
    case Errc::kNotImplemented: return {501, "NotImplemented"};
    case Errc::kUnavailable:
    case Errc::kTimeout:
    case Errc::kCancelled: return {503, "ServiceUnavailable"};
    case Errc::kFenced:
    case Errc::kCorrupt:
    case Errc::kIo:
    case Errc::kInternal: break;
  }
  return {500, "ServerError"};
}

}  // namespace

std::string_view error_code(base::Errc code) { return meaning_of(code).code; }
unsigned http_status(base::Errc code) { return meaning_of(code).status; }

http::Response json_answer(unsigned status, const nlohmann::json& body) {
  return http::Response::json(status, body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

http::Response refusal(unsigned status, std::string_view code, std::string text) {
  std::ranges::replace(text, ';', ',');
  auto out =
      json_answer(status, {{"Message", "ErrorCode:" + std::string(code) + ";" + text}, {"ExceptionMessage", text}});
  if (status == 429 || status == 503) out.headers.emplace_back("Retry-After", "1");
  return out;
}

http::Response refusal(const base::Error& error) {
  const auto meaning = meaning_of(error.code);
  return refusal(meaning.status, meaning.code, error.text);
}

}  // namespace meterhub::identity
