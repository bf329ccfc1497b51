// HTTP with Boost.Beast, which nothing outside of this and websocket.cc sees: bytes to requests, responses to bytes.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <meterhub/http/message.h>

namespace meterhub::http {

// Takes requests apart as their bytes come. One thread.
class RequestParser {
 public:
  RequestParser(std::size_t header_max, std::size_t body_max);
  ~RequestParser();
  RequestParser(RequestParser&&) noexcept;
  RequestParser& operator=(RequestParser&&) noexcept;

  // Takes what it can from the front of `bytes`; returns how much. kTooLarge, kInvalidArgument.
  base::Result<std::size_t> feed(std::string_view bytes);
  bool done() const;
  // The client waits for "100 Continue" before it sends the body; once per request.
  bool wants_continue();
  bool keep_alive() const;
  bool http_1_0() const;
  bool upgrade() const;
  // Method, target, headers and body; path and query are still empty.
  Request take();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Takes a response apart (client). `head` = the request was HEAD.
class ResponseParser {
 public:
  explicit ResponseParser(bool head);
  ~ResponseParser();
  base::Result<std::size_t> feed(std::string_view bytes);
  // The connection has ended: completes a body without a length. kUnavailable when it was cut.
  base::Result<void> end();
  bool head_done() const;
  bool done() const;
  unsigned status() const;
  // Body bytes since the last call.
  std::string take_body();
  Response take();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct WriteOptions {
  bool keep_alive = true;
  bool http_1_0 = false;
  bool head = false;      // answer to HEAD: the length of the body, not the body
  bool chunked = false;   // the body goes on: no length; HTTP/1.0 ends with the connection
};
std::string write_response(const Response& response, const WriteOptions& options);
std::string write_chunk(std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";
std::string write_request(Method method, std::string_view target, std::string_view host, std::string_view body,
                          const Fields& headers);

}  // namespace meterhub::http
