// Lists of devices and queries, a page at a time.
#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

#include <meterhub/base/encoding.h>

#include "answers.h"
#include "query.h"
#include "registry_work.h"

namespace meterhub::identity {
namespace {

using base::Errc;
using base::Result;
using nlohmann::json;

constexpr std::int64_t kPageMax = 1000;
constexpr std::int64_t kQueryPage = 100;
// Of a query that finds little, one request looks at so many devices; its page may be empty and still have a next one.
constexpr std::size_t kLookedAtMax = 20'000;
constexpr std::string_view kContinuation = "x-ms-continuation";
constexpr std::string_view kTokenBegin = "devices-after:";

Result<std::int64_t> whole_number(std::string_view name, std::string_view text, std::int64_t absent) {
  if (text.empty()) return absent;
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error == std::errc() && end == text.data() + text.size() && out >= 1 && out <= kPageMax) return out;
  return base::fail(Errc::kInvalidArgument,
                    std::string(name) + " is a whole number from 1 to " + std::to_string(kPageMax));
}

std::string token_of(std::int64_t row) {
  return base::base64_encode(base::as_bytes(std::string(kTokenBegin) + std::to_string(row)));
}

// The row that the page before ended with; 0 without a token.
Result<std::int64_t> row_of(std::string_view token) {
  if (token.empty()) return std::int64_t{0};
  const auto decoded = base::base64_decode(token);
  const auto text = decoded ? base::as_text(*decoded) : std::string_view();
  std::int64_t out = 0;
  const auto digits = text.starts_with(kTokenBegin) ? text.substr(kTokenBegin.size()) : std::string_view();
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  if (!digits.empty() && error == std::errc() && end == digits.data() + digits.size() && out > 0) return out;
  return base::fail(Errc::kInvalidArgument, "x-ms-continuation is none of this hub's");
}

Result<DeviceQuery> query_of(const http::Request& request) {
  const auto body = MH_TRY(parse_body(request.body));
  const auto text = body.is_object() ? body.find("query") : body.end();
  if (text == body.end() || !text->is_string())
    return base::fail(Errc::kInvalidArgument, "the body is {\"query\":\"SELECT …\"}");
  return DeviceQuery::parse(text->get_ref<const std::string&>());
}

bool matches(const DeviceQuery& query, const registry::Gateway& gateway, const DeviceState& state) {
  DeviceRow row{.device_id = gateway.id,
                .status = status_text(gateway),
                .status_reason = std::nullopt,
                .connection_state = connection_text(state),
                .authentication_type = gateway.authentication};
  if (!gateway.status_reason.empty()) row.status_reason = gateway.status_reason;
  return query.matches(row);
}

// One page of a query, as far as one request goes.
struct Page {
  json rows = json::array();
  std::int64_t last_row = 0;
  bool ended = false;
};

Result<Page> page_of(const Work& work, const DeviceQuery& query, std::int64_t after, std::size_t size) {
  Page out;
  out.last_row = after;
  for (std::size_t looked_at = 0; out.rows.size() < size && looked_at < kLookedAtMax;) {
    // One more than wanted: whether there is a next page.
    const auto block = std::clamp<std::size_t>(size + 1, kQueryPage, kPageMax);
    const auto gateways = MH_TRY(work.store.gateways(out.last_row, block));
    out.ended = gateways.size() < block;
    for (const auto& [row, gateway] : gateways) {
      if (out.rows.size() == size) {
        out.ended = false;
        break;
      }
      const auto state = work.state_of(gateway);
      if (matches(query, gateway, state)) out.rows.push_back(twin_json(gateway, state));
      out.last_row = row;
      ++looked_at;
    }
    if (out.ended) break;
  }
  return out;
}

}  // namespace

Result<http::Response> list_devices(const Work& work, const http::Request& request) {
  const auto most = MH_TRY(whole_number("top", request.query_value("top"), kPageMax));
  json out = json::array();
  for (const auto& [row, gateway] : MH_TRY(work.store.gateways(0, static_cast<std::size_t>(most)))) {
    out.push_back(device_json(gateway, work.state_of(gateway)));
  }
  return json_answer(200, out);
}

Result<http::Response> query_devices(const Work& work, const http::Request& request) {
  const auto query = MH_TRY(query_of(request));
  const auto size = MH_TRY(whole_number("x-ms-max-item-count", request.header("x-ms-max-item-count"), kQueryPage));
  const auto after = MH_TRY(row_of(request.header(kContinuation)));
  const auto page = MH_TRY(page_of(work, query, after, static_cast<std::size_t>(size)));
  auto out = json_answer(200, page.rows);
  if (!page.ended) out.headers.emplace_back(kContinuation, token_of(page.last_row));
  out.headers.emplace_back("x-ms-item-type", "Twin");
  return out;
}

}  // namespace meterhub::identity
