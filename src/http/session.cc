#include "session.h"

#include <algorithm>

namespace meterhub::http {

Session::Session(SessionOwner& owner, net::ConnectionPtr connection)
    : owner_(owner), connection_(std::move(connection)),
      parser_(owner.options().header_max, owner.options().body_max) {}

Session::~Session() {
  owner_.loop().cancel(timer_);
  if (stream_) stream_->client_gone();
  if (connection_) connection_->abort();
}

void Session::start() {
  connection_->set_handler(*this);
  arm(owner_.options().idle_timeout);
}

void Session::arm(std::chrono::milliseconds timeout) {
  owner_.loop().cancel(timer_);
  timer_ = owner_.loop().after(timeout, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && !self->busy_ && self->connection_) self->connection_->close();
  });
}

void Session::on_data(base::BytesView bytes) {
  const auto self = shared_from_this();
  if (pending_.empty() && !busy_) arm(owner_.options().request_timeout);
  pending_ += base::as_text(bytes);
  if (!busy_) return parse();
  // The next request waits for this answer, and its sender for room.
  if (pending_.size() > owner_.options().header_max) connection_->pause_reading();
}

void Session::parse() {
  const auto used = parser_.feed(pending_);
  if (!used) return refuse(used.error());
  pending_.erase(0, *used);
  if (parser_.wants_continue()) write("HTTP/1.1 100 Continue\r\n\r\n");
  if (parser_.done()) return dispatch();
  // What a parser does not take is an unfinished header.
  if (pending_.size() > owner_.options().header_max)
    refuse(base::Error(base::Errc::kTooLarge, "the header is larger than allowed"));
}

void Session::refuse(const base::Error& error) {
  busy_ = true;
  keep_alive_ = false;
  auto response = Response::error(error);
  if (error.code == base::Errc::kTooLarge) response.status = 413;
  respond(++number_, std::move(response));
}

void Session::dispatch() {
  owner_.loop().cancel(timer_);
  busy_ = true;
  ++number_;
  keep_alive_ = parser_.keep_alive();
  http_1_0_ = parser_.http_1_0();
  const bool upgrade = parser_.upgrade();
  auto request = parser_.take();
  head_ = request.method == Method::kHead;
  request.peer = connection_->peer();
  request.secure = connection_->is_tls();
  request.local = connection_->is_local();
  if (upgrade && owner_.upgrade(*this, request)) return;
  owner_.handle(*this, std::move(request));
}

net::ConnectionPtr Session::give_away(std::string& rest) {
  owner_.loop().cancel(timer_);
  rest = std::move(pending_);
  auto out = std::move(connection_);
  owner_.ended(*this);
  return out;
}

void Session::add_headers(Response& response) const {
  for (const auto& [name, value] : owner_.options().headers) {
    if (response.header(name).empty()) response.headers.emplace_back(name, value);
  }
}

void Session::respond(std::uint64_t number, Response response) {
  if (!busy_ || number != number_ || stream_ || !connection_) return;
  owner_.count_response(response.status);
  add_headers(response);
  write(write_response(response, {.keep_alive = keep_alive_, .http_1_0 = http_1_0_, .head = head_}));
  finish_response();
}

void Session::begin_stream(std::uint64_t number, Response head, std::shared_ptr<BodyStream> stream) {
  if (!busy_ || number != number_ || stream_ || !connection_) return stream->client_gone();
  owner_.count_response(head.status);
  const auto first = std::exchange(head.body, {});
  add_headers(head);
  write(write_response(head, {.keep_alive = keep_alive_, .http_1_0 = http_1_0_, .chunked = true}));
  if (head_) {
    stream->client_gone();
    return finish_response();
  }
  if (!first.empty()) write(http_1_0_ ? first : write_chunk(first));
  stream_ = std::move(stream);
  stream_->attach(weak_from_this());
  stream_ready();
}

// Moves what the stream holds into the connection, while that takes it.
void Session::stream_ready() {
  if (!stream_ || !connection_) return;
  // Its client may take nothing: what is buffered goes with it.
  if (stream_->aborted()) {
    const auto self = shared_from_this();
    stream_.reset();
    connection_->abort();
    return owner_.ended(*this);
  }
  if (connection_->output_waiting() >= net::ConnectionLimits{}.output_high) return;  // on_writable() comes
  auto [bytes, ended] = stream_->take();
  if (!bytes.empty()) write(http_1_0_ ? bytes : write_chunk(bytes));
  if (!ended) return;
  stream_.reset();
  if (!http_1_0_) write(kLastChunk);
  finish_response();
}

// Busy until next_request(): a quick client's next bytes wait for the new parser.
void Session::finish_response() {
  ++number_;
  head_ = false;
  if (!keep_alive_ || http_1_0_) return connection_->close();
  // Not inside the handler's stack.
  owner_.loop().post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->next_request();
  });
}

void Session::next_request() {
  if (!connection_) return;
  busy_ = false;
  parser_ = RequestParser(owner_.options().header_max, owner_.options().body_max);
  arm(pending_.empty() ? owner_.options().idle_timeout : owner_.options().request_timeout);
  connection_->resume_reading();
  if (!pending_.empty()) parse();
}

void Session::on_closed(net::CloseReason /*reason*/, std::string_view /*text*/) {
  const auto self = shared_from_this();
  owner_.ended(*this);
}

bool BodyStream::write(std::string_view bytes) {
  const base::Lock lock(mutex_);
  if (gone_ || ended_ || waiting_.size() + bytes.size() > capacity_) return false;
  waiting_ += bytes;
  wake();
  return true;
}

void BodyStream::end() {
  const base::Lock lock(mutex_);
  if (ended_) return;
  ended_ = true;
  wake();
}

void BodyStream::abort() {
  const base::Lock lock(mutex_);
  if (ended_) return;
  ended_ = true;
  aborted_ = true;
  waiting_.clear();
  wake();
}

bool BodyStream::open() const {
  const base::Lock lock(mutex_);
  return !gone_ && !ended_;
}

void BodyStream::wake() {
  if (std::exchange(woken_, true)) return;
  loop_.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    {
      const base::Lock lock(self->mutex_);
      self->woken_ = false;
    }
    if (const auto session = self->session_.lock()) session->stream_ready();
  });
}

BodyStream::Taken BodyStream::take() {
  const base::Lock lock(mutex_);
  return {std::exchange(waiting_, {}), ended_};
}

bool BodyStream::aborted() const {
  const base::Lock lock(mutex_);
  return aborted_;
}

void BodyStream::client_gone() {
  const base::Lock lock(mutex_);
  gone_ = true;
  waiting_ = {};
}

}  // namespace meterhub::http
