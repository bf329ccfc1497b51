// Posts and mails to others' servers, many at a time, on one thread of libcurl's.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <meterhub/base/result.h>
#include <meterhub/http/message.h>
#include <meterhub/http/outgoing.h>

namespace meterhub::http {

enum class MailTls : bool {
  kIfOffered,  // STARTTLS where the server has it
  kRequired,   // none: kPrecondition, and nothing is sent
};

// What goes to an SMTP server (RFC 5321).
struct Mail {
  std::string server;           // smtp://host:port, smtps://host:port
  std::string user, password;   // empty: no sign-in
  std::string from;             // address only
  std::vector<std::string> to;  // addresses only
  std::string text;             // head and body (RFC 5322), lines end in CRLF
  MailTls tls = MailTls::kRequired;
};

// Each is limited by its own timeout: one that hangs holds up nobody. Calls: any thread. Answers come on the courier's
// thread, once each; kCancelled for what is under way when the object goes. At most `under_way_max` at a time, the
// others wait their turn.
class Courier {
 public:
  using Done = std::move_only_function<void(base::Result<Response>)>;
  static constexpr std::size_t kUnderWayMax = 256;

  // kInternal: no memory.
  static base::Result<std::unique_ptr<Courier>> create();
  ~Courier();
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  // As http::post().
  void post(const std::string& url, std::string body, const Fields& headers, const PostOptions& options, Done done);
  // Any reply code of the server is a value; the body holds its words: those that refuse something (a 250 with
  // refusals: some addresses were refused), else the last ones. kUnauthorized: it refused user or password without a
  // code; kPrecondition: no TLS.
  void mail(Mail mail, const PostOptions& options, Done done);

 private:
  struct State;
  explicit Courier(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace meterhub::http
