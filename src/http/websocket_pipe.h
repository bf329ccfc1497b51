// What Boost.Beast sees of a connection: an asynchronous stream whose bytes our loop brings and takes.
#pragma once

#include <cstring>
#include <functional>
#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/role.hpp>

#include <meterhub/net/connection.h>

namespace meterhub::http {

// Beast's handlers wait in a context that the loop empties; nothing here waits for the system. Loop thread.
class PipeContext {
 public:
  boost::asio::io_context& io() { return io_; }
  // Runs what is ready, and what that makes ready. Within such a run it does nothing: the run goes on by itself.
  void run() {
    if (std::exchange(running_, true)) return;
    io_.restart();
    io_.poll();
    running_ = false;
  }

 private:
  boost::asio::io_context io_{1};
  bool running_ = false;
};

// AsyncStream of Beast: one read and one write at a time.
class Pipe {
 public:
  using executor_type = boost::asio::io_context::executor_type;
  using Error = boost::beast::error_code;

  Pipe(PipeContext& context, net::ConnectionPtr below) : context_(context), below_(std::move(below)) {}

  executor_type get_executor() { return context_.io().get_executor(); }
  net::Connection& below() { return *below_; }

  // What is not asked for holds the peer back.
  void feed(std::string_view bytes) {
    incoming_.append(bytes);
    serve();
    if (!incoming_.empty()) below_->pause_reading();
  }
  void end() {
    ended_ = true;
    serve();
  }

  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler handler) {
    read_ = [this, buffers, handler = std::move(handler)](Error error) mutable {
      const auto size = boost::asio::buffer_copy(buffers, boost::asio::buffer(incoming_));
      incoming_.erase(0, size);
      complete(std::move(handler), error, size);
    };
    serve();
    if (incoming_.empty() && !ended_) below_->resume_reading();
  }

  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler handler) {
    std::size_t size = 0;
    for (auto at = boost::asio::buffer_sequence_begin(buffers); at != boost::asio::buffer_sequence_end(buffers); ++at) {
      const boost::asio::const_buffer piece(*at);
      if (!ended_) below_->write({static_cast<const std::uint8_t*>(piece.data()), piece.size()});
      size += piece.size();
    }
    complete(std::move(handler), ended_ ? Error(boost::asio::error::broken_pipe) : Error(), ended_ ? 0 : size);
  }

  template <class Handler>
  void tear_down(Handler handler) {
    boost::asio::post(context_.io(), [handler = std::move(handler)]() mutable { handler(Error()); });
  }

 private:
  template <class Handler>
  void complete(Handler handler, Error error, std::size_t size) {
    boost::asio::post(context_.io(),
                      [handler = std::move(handler), error, size]() mutable { handler(error, size); });
  }
  void serve() {
    if (!read_ || (incoming_.empty() && !ended_)) return;
    const Error error = incoming_.empty() ? Error(boost::asio::error::eof) : Error();
    std::exchange(read_, nullptr)(error);
  }

  PipeContext& context_;
  const net::ConnectionPtr below_;
  std::string incoming_;
  std::move_only_function<void(Error)> read_;  // the one that waits for bytes
  bool ended_ = false;
};

// Beast asks for these by their names. The connection below is closed by its owner.
template <class Handler>
void async_teardown(boost::beast::role_type, Pipe& pipe, Handler handler) {
  pipe.tear_down(std::move(handler));
}
inline void teardown(boost::beast::role_type, Pipe&, Pipe::Error& error) { error = {}; }
inline void beast_close_socket(Pipe&) {}

}  // namespace meterhub::http
