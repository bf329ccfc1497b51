// Requests of clients, answers of servers, paths and queries.
#include <algorithm>

#include "http/codec.h"

#include "http/router.h"
#include "input.h"

namespace meterhub::http {
namespace {

using fuzz::require;

constexpr std::size_t kHeaderMax = 1500;
constexpr std::size_t kBodyMax = 3000;

// What came of a stream: one message and what was left. When Beast sees that none will come
// of it depends on the cut; that none came does not.
struct Seen {
  bool done = false;
  std::string start;
  Fields headers;
  std::string body;
  std::string rest;
  bool operator==(const Seen&) const = default;
};

// A response may end with its connection, a request not.
bool ended(RequestParser&) { return false; }
bool ended(ResponseParser& parser) { return parser.end().has_value(); }

// Feeds as a session does: what the parser does not take comes again, with more behind it.
template <class Parser>
Seen feed(Parser& parser, std::string_view stream, fuzz::Cuts cuts) {
  Seen out;
  bool refused = false;
  std::string pending;
  fuzz::in_pieces(stream, cuts, [&](std::string_view piece) {
    pending += piece;
    if (parser.done()) return true;
    const auto used = parser.feed(pending);
    refused = !used;
    if (refused) return false;
    require(*used <= pending.size());
    pending.erase(0, *used);
    refused = !parser.done() && pending.size() > kHeaderMax;
    return !refused;
  });
  out.done = !refused && (parser.done() || ended(parser));
  if (out.done) out.rest = std::move(pending);
  return out;
}

Seen read_request(std::string_view stream, fuzz::Cuts cuts) {
  RequestParser parser(kHeaderMax, kBodyMax);
  Seen out = feed(parser, stream, cuts);
  if (!out.done) return out;
  out.start = std::string(parser.keep_alive() ? "keep " : "close ") + (parser.http_1_0() ? "1.0 " : "1.1 ") + (parser.upgrade() ? "upgrade " : "");
  auto request = parser.take();
  out.start += std::string(method_name(request.method)) + ' ' + request.target;
  out.headers = std::move(request.headers);
  out.body = std::move(request.body);
  require(out.body.size() <= kBodyMax);
  return out;
}

Seen read_response(std::string_view stream, bool head, fuzz::Cuts cuts) {
  ResponseParser parser(head);
  Seen out = feed(parser, stream, cuts);
  if (!out.done) return out;
  auto response = parser.take();
  out.start = std::to_string(response.status);
  out.headers = std::move(response.headers);
  out.body = std::move(response.body);
  return out;
}

// The same whatever the cut, but for a head that is larger than allowed: whether one passes by some bytes depends on
// what was parsed of it before. If it passes twice, it is the same too.
void same_in_pieces(std::string_view stream, const auto& read, fuzz::Cuts cuts) {
  const auto head = stream.find("\r\n\r\n");
  const bool is_large = std::min(head, stream.size()) + 4 > kHeaderMax;
  const auto whole = read(stream, fuzz::Cuts::none()), pieces = read(stream, cuts);
  require(whole == pieces || (is_large && whole.done != pieces.done));
}

// An answer of ours to the request reads as what it is, at whatever cut.
void answer(std::string_view body, bool chunked) {
  Response response = Response::json(200, std::string(body));
  auto text = write_response(response, {.chunked = chunked});
  if (chunked) {
    if (!body.empty()) text += write_chunk(body);
    text += kLastChunk;
  }
  const auto seen = read_response(text, false, fuzz::Cuts(static_cast<std::uint8_t>(body.size()), 30));
  require(seen.done && seen.start == "200" && seen.body == body && field(seen.headers, "content-type") == "application/json; charset=utf-8");
}

std::string encoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out;
}

void read_target(std::string_view target) {
  if (const auto segments = path_segments(target)) {
    std::string again;
    for (const auto& segment : *segments) again += '/' + encoded(segment);
    require(path_segments(again) == segments);
    const Pattern all("/{rest*}");
    require(all.matches(*segments) && all.params(*segments).size() == 1);
  }
  if (const auto query = parse_query(target)) {
    std::string again;
    for (const auto& [name, value] : *query) again += encoded(name) + '=' + encoded(value) + '&';
    require(parse_query(again) == query);
  }
}

}  // namespace
}  // namespace meterhub::http

MH_FUZZER(http_message, input) {
  using namespace meterhub::http;
  using meterhub::fuzz::Cuts;
  using meterhub::fuzz::require;
  const auto how = input.byte();
  const Cuts cuts(input.byte(), how & 1 ? 3 : 200);
  switch (how >> 1 & 3) {
    case 0: return same_in_pieces(input.text(), read_request, cuts);
    case 1: return same_in_pieces(input.text(), [&](std::string_view text, Cuts at) { return read_response(text, how & 8, at); }, cuts);
    case 2: return answer(input.text(), how & 8);
    default: return read_target(input.text());
  }
}
