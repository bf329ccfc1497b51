// Requests and responses as handlers see them.
#pragma once

#include <any>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <meterhub/base/result.h>
#include <meterhub/net/address.h>

namespace meterhub::http {

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions, kOther };
std::string_view method_name(Method method);

using Field = std::pair<std::string, std::string>;
using Fields = std::vector<Field>;

// First value of a header field, its name in any case; "" when absent.
std::string_view field(const Fields& fields, std::string_view name);

struct Request {
  Method method = Method::kGet;
  std::string target;     // as it came
  std::string path;       // percent-decoded, without query
  Fields query;           // decoded
  Fields headers;
  std::string body;
  // Values of the {names} of the route, in its order, decoded.
  Fields params;
  net::Address peer;
  bool secure = false;    // over TLS
  bool local = false;     // over the Unix-domain socket
  // What the guard found out about who asks; empty where there is none. Goes with copies.
  std::any asker;

  std::string_view header(std::string_view name) const { return field(headers, name); }
  std::string_view param(std::string_view name) const { return field(params, name); }
  std::string_view query_value(std::string_view name) const { return field(query, name); }
};

struct Response {
  unsigned status = 200;
  Fields headers;
  std::string body;

  static Response text(unsigned status, std::string body);
  static Response json(unsigned status, std::string body);
  static Response html(std::string body);
  static Response empty(unsigned status) { return {status, {}, {}}; }
  // {"error":{"code":"not_found","text":"…"}} with the status of the error's class.
  static Response error(const base::Error& error);

  std::string_view header(std::string_view name) const { return field(headers, name); }
};

}  // namespace meterhub::http
