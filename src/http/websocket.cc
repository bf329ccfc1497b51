#include <meterhub/http/websocket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/error.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <meterhub/base/ascii.h>

#include "codec.h"
#include "websocket_pipe.h"

namespace meterhub::http {
namespace {

namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;

// Read of a message at a time. Idle connections hold it too.
constexpr std::size_t kReadAtOnce = 4096;
// For the peer to answer our goodbye.
constexpr std::chrono::seconds kGoodbye{5};
// A buffer that one large write made is not kept.
constexpr std::size_t kKeptOutput = 16 * 1024;

// One of a field's values separated by commas, as the client spelled it; nothing when it is not among them.
std::optional<std::string> listed(std::string_view values, std::string_view wanted) {
  while (!values.empty()) {
    const auto comma = std::min(values.find(','), values.size());
    auto one = values.substr(0, comma);
    values.remove_prefix(std::min(comma + 1, values.size()));
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
    if (base::same_ignoring_case(one, wanted)) return std::string(one);
  }
  return std::nullopt;
}

beast::http::request<beast::http::string_body> beast_request(const Request& request) {
  beast::http::request<beast::http::string_body> out;
  out.method(beast::http::verb::get);
  out.version(11);
  out.target(request.target);
  for (const auto& [name, value] : request.headers) out.insert(name, value);
  return out;
}

// The operations under way hold it: it lives until the last has ended.
class WebSocket final : public net::Connection,
                        public net::ConnectionHandler,
                        public std::enable_shared_from_this<WebSocket> {
 public:
  WebSocket(net::EventLoop& loop, std::shared_ptr<PipeContext> context, net::ConnectionPtr below)
      : loop_(loop), context_(std::move(context)), socket_(*context_, std::move(below)) {
    below_().set_handler(*this);
  }

  void start(const Request& request, std::string_view rest, std::string subprotocol);

  // net::Connection
  void set_handler(net::ConnectionHandler& handler) override {
    handler_ = &handler;
    deliver_later();
  }
  void write(base::BytesView bytes) override;
  std::size_t output_waiting() const override { return waiting_.size() + out_.size() + below_().output_waiting(); }
  void pause_reading() override { paused_ = true; }
  void resume_reading() override {
    if (std::exchange(paused_, false)) deliver_later();
  }
  void close() override;
  void abort() override;
  const net::Address& peer() const override { return below_().peer(); }
  bool is_tls() const override { return below_().is_tls(); }
  bool is_resumed() const override { return below_().is_resumed(); }
  bool is_local() const override { return below_().is_local(); }
  std::string peer_name() const override { return below_().peer_name(); }
  std::uint64_t bytes_in() const override { return below_().bytes_in(); }
  std::uint64_t bytes_out() const override { return below_().bytes_out(); }

  // net::ConnectionHandler, of the one below
  void on_data(base::BytesView bytes) override {
    const auto self = shared_from_this();
    pipe().feed(base::as_text(bytes));
    context_->run();
  }
  void on_writable() override {
    if (handler_ != nullptr) handler_->on_writable();
  }
  void on_closed(net::CloseReason reason, std::string_view text) override;

 private:
  using Stream = websocket::stream<Pipe, false>;  // without compression

  Pipe& pipe() { return socket_.next_layer(); }
  net::Connection& below_() const { return const_cast<Stream&>(socket_).next_layer().below(); }
  void read();
  void deliver();
  void deliver_later();
  void write_next();
  void say_goodbye();
  void failed(const beast::error_code& error);
  void end(net::CloseReason reason, std::string_view text);

  net::EventLoop& loop_;
  const std::shared_ptr<PipeContext> context_;
  Stream socket_;
  net::ConnectionHandler* handler_ = nullptr;
  std::array<std::uint8_t, kReadAtOnce> in_;
  std::size_t held_ = 0;               // of in_, not delivered yet
  std::vector<std::uint8_t> waiting_;  // for the message under way to be written
  std::vector<std::uint8_t> out_;      // that message
  base::Executor::TimerId timer_ = base::Executor::TimerId::kNone;
  std::optional<std::pair<net::CloseReason, std::string>> why_;  // it ends, when that began above the connection below
  bool open_ = false;
  bool paused_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool closing_ = false;
  bool ended_ = false;
};

void WebSocket::start(const Request& request, std::string_view rest, std::string subprotocol) {
  socket_.binary(true);
  socket_.auto_fragment(false);
  socket_.read_message_max(0);  // read in pieces, never as a whole
  socket_.set_option(
      websocket::stream_base::decorator([name = std::move(subprotocol)](websocket::response_type& response) {
        response.set(beast::http::field::sec_websocket_protocol, name);
      }));
  socket_.async_accept(beast_request(request), [self = shared_from_this()](beast::error_code error) {
    if (error) return self->failed(error);
    self->open_ = true;
    self->read();
    self->write_next();
  });
  pipe().feed(rest);
  context_->run();
}

void WebSocket::read() {
  if (reading_ || held_ > 0 || ended_ || !open_) return;
  reading_ = true;
  const auto then = [self = shared_from_this()](beast::error_code error, std::size_t size) {
    self->reading_ = false;
    if (error) return self->failed(error);
    if (!self->socket_.got_binary()) {
      self->why_ = {net::CloseReason::kReset, "a text message"};
      self->closing_ = true;
      return self->say_goodbye();
    }
    self->held_ = size;
    self->deliver();
  };
  socket_.async_read_some(boost::asio::buffer(in_), then);
}

void WebSocket::deliver() {
  if (held_ > 0 && (paused_ || handler_ == nullptr) && !closing_ && !ended_) return;
  const auto size = std::exchange(held_, 0);
  if (size > 0 && handler_ != nullptr && !closing_) handler_->on_data({in_.data(), size});
  read();
}

// Not inside the caller's stack.
void WebSocket::deliver_later() {
  loop_.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->deliver();
    self->context_->run();
  });
}

void WebSocket::write(base::BytesView bytes) {
  if (closing_ || ended_ || bytes.empty()) return;
  waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
  write_next();
  context_->run();
}

void WebSocket::write_next() {
  if (writing_ || !open_ || ended_) return;
  if (waiting_.empty()) {
    if (closing_) say_goodbye();
    return;
  }
  writing_ = true;
  out_.swap(waiting_);
  socket_.async_write(boost::asio::buffer(out_), [self = shared_from_this()](beast::error_code error, std::size_t) {
    self->writing_ = false;
    self->out_.clear();
    if (self->out_.capacity() > kKeptOutput) self->out_ = {};
    if (error) return self->failed(error);
    self->write_next();
  });
}

void WebSocket::close() {
  if (std::exchange(closing_, true) || ended_) return;
  why_ = {net::CloseReason::kLocal, "closed"};
  if (!open_) return below_().close();
  write_next();
  context_->run();
}

// The close frame; what still comes is dropped until the peer's. Then the connection below is closed.
void WebSocket::say_goodbye() {
  if (timer_ != base::Executor::TimerId::kNone || ended_) return;
  timer_ = loop_.after(kGoodbye, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->below_().close();
  });
  const auto code = why_ && why_->first == net::CloseReason::kReset ? websocket::close_code::unknown_data
                                                                    : websocket::close_code::normal;
  socket_.async_close(code, [self = shared_from_this()](beast::error_code) { self->below_().close(); });
  read();
}

void WebSocket::failed(const beast::error_code& error) {
  if (ended_) return;
  if (!why_) {
    const bool by_peer = error == websocket::error::closed || error == boost::asio::error::eof;
    why_ = {by_peer ? net::CloseReason::kPeer : net::CloseReason::kReset, "WebSocket: " + error.message()};
  }
  // An answer to what broke the protocol is still on its way out.
  if (timer_ == base::Executor::TimerId::kNone || error == websocket::error::closed) below_().close();
}

void WebSocket::on_closed(net::CloseReason reason, std::string_view text) {
  const auto self = shared_from_this();
  if (why_) return end(why_->first, why_->second);
  end(reason, text);
}

void WebSocket::end(net::CloseReason reason, std::string_view text) {
  if (std::exchange(ended_, true)) return;
  loop_.cancel(timer_);
  const std::string kept(text);
  auto* const handler = std::exchange(handler_, nullptr);
  pipe().end();
  context_->run();
  if (handler != nullptr) handler->on_closed(reason, kept);
}

void WebSocket::abort() {
  const auto self = shared_from_this();
  handler_ = nullptr;
  if (std::exchange(ended_, true)) return;
  loop_.cancel(timer_);
  below_().abort();
  pipe().end();
  context_->run();
}

class LoopWebSockets final : public WebSockets {
 public:
  explicit LoopWebSockets(net::EventLoop& loop) : loop_(loop) {}

  net::ConnectionPtr accept(const Request& request, net::ConnectionPtr below, std::string rest,
                            std::string_view subprotocol) override {
    const auto name = listed(request.header("Sec-WebSocket-Protocol"), subprotocol).value_or(std::string(subprotocol));
    auto out = std::make_shared<WebSocket>(loop_, context_, std::move(below));
    out->start(request, rest, name);
    return out;
  }

 private:
  net::EventLoop& loop_;
  std::shared_ptr<PipeContext> context_ = std::make_shared<PipeContext>();
};

}  // namespace

base::Result<void> check_websocket(const Request& request, std::string_view subprotocol) {
  const auto refuse = [](std::string text) { return base::fail(base::Errc::kInvalidArgument, std::move(text)); };
  if (!listed(request.header("Upgrade"), "websocket")) return refuse("this address takes WebSockets only");
  if (!websocket::is_upgrade(beast_request(request))) return refuse("not a WebSocket handshake");
  if (listed(request.header("Sec-WebSocket-Protocol"), subprotocol)) return {};
  return refuse("this WebSocket speaks the subprotocol " + std::string(subprotocol) + " only");
}

namespace {

// Holds the connection until it has ended.
struct Refused final : net::ConnectionHandler, std::enable_shared_from_this<Refused> {
  net::ConnectionPtr connection;
  std::shared_ptr<Refused> self;
  void on_data(base::BytesView /*bytes*/) override {}
  void on_closed(net::CloseReason /*reason*/, std::string_view /*text*/) override { self.reset(); }
};

}  // namespace

void refuse_upgrade(net::ConnectionPtr connection, const base::Error& error) {
  const auto refused = std::make_shared<Refused>();
  refused->connection = std::move(connection);
  refused->self = refused;
  refused->connection->set_handler(*refused);
  refused->connection->write(base::as_bytes(write_response(Response::error(error), {.keep_alive = false})));
  refused->connection->close();
}

std::shared_ptr<WebSockets> WebSockets::create(net::EventLoop& loop) { return std::make_shared<LoopWebSockets>(loop); }

}  // namespace meterhub::http
