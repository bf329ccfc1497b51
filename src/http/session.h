// One HTTP connection: requests one after another, each with its answer.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <meterhub/base/mutex.h>
#include <meterhub/http/server.h>

#include "codec.h"
#include "router.h"

namespace meterhub::http {

class Session;

// What sessions need of their server. Loop thread.
class SessionOwner {
 public:
  virtual ~SessionOwner() = default;
  virtual void handle(Session& session, Request request) = 0;
  // True when somebody took the connection over.
  virtual bool upgrade(Session& session, Request& request) = 0;
  // Gives up its hold on the session, whose call is under way.
  virtual void ended(Session& session) = 0;
  virtual void count_response(unsigned status) = 0;
  virtual const ServerOptions& options() const = 0;
  virtual net::EventLoop& loop() = 0;
};

// Loop thread.
class Session final : public net::ConnectionHandler, public std::enable_shared_from_this<Session> {
 public:
  Session(SessionOwner& owner, net::ConnectionPtr connection);
  ~Session() override;
  void start();

  // An answer to the request under way; `number` tells it from an earlier one's.
  void respond(std::uint64_t number, Response response);
  void begin_stream(std::uint64_t number, Response head, std::shared_ptr<class BodyStream> stream);
  void stream_ready();
  std::uint64_t request_number() const { return number_; }
  net::Connection& connection() { return *connection_; }
  net::ConnectionPtr give_away(std::string& rest);

  void on_data(base::BytesView bytes) override;
  void on_writable() override { stream_ready(); }
  void on_closed(net::CloseReason reason, std::string_view text) override;

 private:
  void parse();
  void dispatch();
  void refuse(const base::Error& error);
  void add_headers(Response& response) const;
  void finish_response();
  void next_request();
  void arm(std::chrono::milliseconds timeout);
  void write(std::string_view text) { connection_->write(base::as_bytes(text)); }

  SessionOwner& owner_;
  net::ConnectionPtr connection_;
  RequestParser parser_;
  std::string pending_;  // bytes not yet parsed
  std::shared_ptr<class BodyStream> stream_;
  base::Executor::TimerId timer_ = base::Executor::TimerId::kNone;
  std::uint64_t number_ = 0;
  bool busy_ = false;      // a request waits for its answer
  bool head_ = false;
  bool keep_alive_ = true;
  bool http_1_0_ = false;
};

// A body that goes on. Any thread fills it, the loop empties it into the connection.
class BodyStream final : public Stream, public std::enable_shared_from_this<BodyStream> {
 public:
  BodyStream(net::EventLoop& loop, std::size_t capacity) : loop_(loop), capacity_(capacity) {}

  bool write(std::string_view bytes) override;
  void end() override;
  void abort() override;
  bool open() const override;

  // Loop thread.
  void attach(std::weak_ptr<Session> session) { session_ = std::move(session); }
  struct Taken {
    std::string bytes;
    bool ended;
  };
  Taken take();
  bool aborted() const;
  void client_gone();

 private:
  void wake() MH_REQUIRES(mutex_);

  net::EventLoop& loop_;
  const std::size_t capacity_;
  std::weak_ptr<Session> session_;  // loop thread
  mutable base::Mutex mutex_;
  std::string waiting_ MH_GUARDED_BY(mutex_);
  bool woken_ MH_GUARDED_BY(mutex_) = false;
  bool ended_ MH_GUARDED_BY(mutex_) = false;
  bool aborted_ MH_GUARDED_BY(mutex_) = false;
  bool gone_ MH_GUARDED_BY(mutex_) = false;
};

}  // namespace meterhub::http
