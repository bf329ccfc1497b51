#include "codec.h"

#include <boost/beast/http.hpp>
#include <fmt/format.h>

#include <limits>

namespace meterhub::http {
namespace {

namespace beast = boost::beast::http;

Method method_of(beast::verb verb) {
  switch (verb) {
    case beast::verb::get: return Method::kGet;
    case beast::verb::head: return Method::kHead;
    case beast::verb::post: return Method::kPost;
    case beast::verb::put: return Method::kPut;
    case beast::verb::patch: return Method::kPatch;
    case beast::verb::delete_: return Method::kDelete;
    case beast::verb::options: return Method::kOptions;
    default: return Method::kOther;
  }
}

template <class Message>
Fields fields_of(const Message& message) {
  Fields out;
  for (const auto& f : message) out.emplace_back(std::string(f.name_string()), std::string(f.value()));
  return out;
}

// What ends a chunked body is never shorter: "0", two line ends.
constexpr std::size_t kLastChunkMin = 5;

// Of the length that an answer says it has; a stream without one may go on for ever.
constexpr std::uint64_t kAnswerMax = 1 << 30;

base::Error too_large() { return {base::Errc::kTooLarge, "the message is larger than allowed"}; }

// Feeds a Beast parser until it wants more or has all, or its head announces too much.
template <class Parser>
base::Result<std::size_t> feed_parser(Parser& parser, std::string_view bytes, const auto& is_too_large) {
  std::size_t used = 0;
  while (used < bytes.size() && !parser.is_done()) {
    boost::system::error_code error;
    const auto rest = bytes.substr(used);
    // Beast (of Boost 1.74) asserts that a last chunk that it has seen the begin of comes again with at least so much.
    if (parser.is_header_done() && parser.chunked() && rest.front() == '0' && rest.size() < kLastChunkMin) return used;
    used += parser.put(boost::asio::const_buffer(rest.data(), rest.size()), error);
    if (error == beast::error::need_more) return used;
    if (error == beast::error::header_limit || error == beast::error::body_limit ||
        error == beast::error::buffer_overflow)
      return std::unexpected(too_large());
    if (error) return base::fail(base::Errc::kInvalidArgument, "not HTTP: " + error.message());
    if (parser.is_header_done() && is_too_large(parser)) return std::unexpected(too_large());
  }
  return used;
}

template <class Message>
std::string serialize(Message& message) {
  typename beast::serializer<Message::is_request::value, typename Message::body_type> serializer(message);
  std::string out;
  boost::system::error_code error;
  while (!serializer.is_done() && !error) {
    serializer.next(error, [&](boost::system::error_code&, const auto& buffers) {
      for (auto it = boost::asio::buffer_sequence_begin(buffers); it != boost::asio::buffer_sequence_end(buffers); ++it)
        out.append(static_cast<const char*>((*it).data()), (*it).size());
      serializer.consume(boost::beast::buffer_bytes(buffers));
    });
  }
  return out;
}

}  // namespace

struct RequestParser::State {
  beast::request_parser<beast::string_body> parser;
  bool continued = false;
};

RequestParser::RequestParser(std::size_t header_max, std::size_t body_max) : state_(std::make_unique<State>()) {
  state_->parser.header_limit(static_cast<std::uint32_t>(header_max));
  state_->parser.body_limit(body_max);
  state_->parser.eager(true);
}
RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

base::Result<std::size_t> RequestParser::feed(std::string_view bytes) {
  return feed_parser(state_->parser, bytes, [](const auto&) { return false; });  // it has a limit of its own
}
bool RequestParser::done() const { return state_->parser.is_done(); }
bool RequestParser::keep_alive() const { return state_->parser.get().keep_alive(); }
bool RequestParser::http_1_0() const { return state_->parser.get().version() < 11; }
bool RequestParser::upgrade() const { return state_->parser.upgrade(); }

bool RequestParser::wants_continue() {
  auto& parser = state_->parser;
  if (!parser.is_header_done() || parser.is_done() || state_->continued) return false;
  state_->continued = true;
  return boost::beast::iequals(parser.get()[beast::field::expect], "100-continue");
}

Request RequestParser::take() {
  auto message = state_->parser.release();
  Request out;
  out.method = method_of(message.method());
  out.target = std::string(message.target());
  out.headers = fields_of(message);
  out.body = std::move(message.body());
  return out;
}

struct ResponseParser::State {
  beast::response_parser<beast::string_body> parser;
};

ResponseParser::ResponseParser(bool head) : state_(std::make_unique<State>()) {
  // Not boost::none: Beast of Boost 1.74 then refuses a body whose head came alone.
  state_->parser.body_limit(std::numeric_limits<std::uint64_t>::max());
  // Between head and body the length is looked at: Beast makes room for all of it.
  state_->parser.eager(false);
  state_->parser.skip(head);
}
ResponseParser::~ResponseParser() = default;

base::Result<std::size_t> ResponseParser::feed(std::string_view bytes) {
  return feed_parser(state_->parser, bytes, [](const auto& parser) { return parser.content_length() > kAnswerMax; });
}

base::Result<void> ResponseParser::end() {
  // Beast asserts that something came.
  if (!state_->parser.got_some()) return base::fail(base::Errc::kUnavailable, "the connection ended without an answer");
  boost::system::error_code error;
  state_->parser.put_eof(error);
  if (error || !state_->parser.is_done()) return base::fail(base::Errc::kUnavailable, "the answer was cut off");
  return {};
}

bool ResponseParser::head_done() const { return state_->parser.is_header_done(); }
bool ResponseParser::done() const { return state_->parser.is_done(); }
unsigned ResponseParser::status() const { return state_->parser.get().result_int(); }
std::string ResponseParser::take_body() { return std::exchange(state_->parser.get().body(), {}); }

Response ResponseParser::take() {
  auto message = state_->parser.release();
  return {message.result_int(), fields_of(message), std::move(message.body())};
}

std::string write_response(const Response& response, const WriteOptions& options) {
  beast::response<beast::string_body> message;
  message.version(options.http_1_0 ? 10 : 11);
  message.result(response.status);
  for (const auto& [name, value] : response.headers) message.insert(name, value);
  const bool bodiless = response.status == 204 || response.status == 304 || response.status < 200;
  if (options.chunked) {
    if (!options.http_1_0) message.set(beast::field::transfer_encoding, "chunked");
    message.keep_alive(options.keep_alive && !options.http_1_0);
    auto out = serialize(message);
    // The serializer ends an empty chunked body; this one goes on.
    out.resize(out.find("\r\n\r\n") + 4);
    return out;
  }
  message.keep_alive(options.keep_alive);
  if (!bodiless) message.content_length(response.body.size());
  if (!bodiless && !options.head) message.body() = response.body;
  return serialize(message);
}

std::string write_chunk(std::string_view bytes) { return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes); }

std::string write_request(Method method, std::string_view target, std::string_view host, std::string_view body,
                          const Fields& headers) {
  beast::request<beast::string_body> message;
  message.version(11);
  message.method_string(std::string(method_name(method)));
  message.target(std::string(target));
  message.set(beast::field::host, std::string(host));
  for (const auto& [name, value] : headers) message.insert(name, value);
  message.keep_alive(false);
  message.body() = std::string(body);
  if (!body.empty() || method == Method::kPost || method == Method::kPut) message.content_length(body.size());
  return serialize(message);
}

}  // namespace meterhub::http
