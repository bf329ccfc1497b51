#include <meterhub/http/message.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace meterhub::http {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

Response typed(unsigned status, std::string body, std::string media_type) {
  return {status, {{"Content-Type", std::move(media_type)}}, std::move(body)};
}

}  // namespace

std::string_view method_name(Method method) {
  switch (method) {
    case Method::kGet: return "GET";
    case Method::kHead: return "HEAD";
    case Method::kPost: return "POST";
    case Method::kPut: return "PUT";
    case Method::kPatch: return "PATCH";
    case Method::kDelete: return "DELETE";
    case Method::kOptions: return "OPTIONS";
    case Method::kOther: break;
  }
  return "OTHER";
}

std::string_view field(const Fields& fields, std::string_view name) {
  const auto it = std::ranges::find_if(fields, [&](const Field& f) {
    return std::ranges::equal(f.first, name, {}, lower, lower);
  });
  return it == fields.end() ? std::string_view() : it->second;
}

Response Response::text(unsigned status, std::string body) {
  return typed(status, std::move(body), "text/plain; charset=utf-8");
}
Response Response::json(unsigned status, std::string body) {
  return typed(status, std::move(body), "application/json; charset=utf-8");
}
Response Response::html(std::string body) { return typed(200, std::move(body), "text/html; charset=utf-8"); }

Response Response::error(const base::Error& error) {
  const auto& known = base::error_class(error.code);
  const nlohmann::json body = {{"error", {{"code", std::string(known.name)}, {"text", error.text}}}};
  return json(known.http_status, body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace meterhub::http
