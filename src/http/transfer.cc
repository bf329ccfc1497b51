#include "transfer.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include <fmt/format.h>

namespace meterhub::http {
namespace {

using base::Errc;

constexpr std::size_t kAnswerBytesMax = 4096;

void set_up_once() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

void append_bounded(std::string& out, std::string_view more) {
  out.append(more.substr(0, kAnswerBytesMax - out.size()));
}

Errc class_of(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: return Errc::kTimeout;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return Errc::kInvalidArgument;
    case CURLE_LOGIN_DENIED: return Errc::kUnauthorized;
    case CURLE_USE_SSL_FAILED: return Errc::kPrecondition;
    default: return Errc::kUnavailable;
  }
}

}  // namespace

bool CurlLines::add(const std::string& line) {
  auto* const longer = curl_slist_append(list_, line.c_str());
  if (longer == nullptr) return false;
  list_ = longer;
  return true;
}

// Called by libcurl; what goes beyond the limit is thrown away.
std::size_t Transfer::take_answer(char* bytes, std::size_t size, std::size_t count, void* to) {
  append_bounded(static_cast<Transfer*>(to)->answer_, {bytes, size * count});
  return size * count;
}

// Every line that a mail server says.
std::size_t Transfer::take_line(char* bytes, std::size_t size, std::size_t count, void* to) {
  const std::string_view line(bytes, size * count);
  auto& self = *static_cast<Transfer*>(to);
  if (line.starts_with("221")) return line.size();  // its farewell says nothing of the mail
  self.answer_.clear();
  append_bounded(self.answer_, line);
  if (line.starts_with('4') || line.starts_with('5')) append_bounded(self.refusals_, line);
  return line.size();
}

std::size_t Transfer::give_body(char* to, std::size_t size, std::size_t count, void* from) {
  auto& self = *static_cast<Transfer*>(from);
  const auto bytes = std::min(size * count, self.body_.size() - self.given_);
  std::copy_n(self.body_.data() + self.given_, bytes, to);
  self.given_ += bytes;
  return bytes;
}

void Transfer::set_common(const std::string& url, const PostOptions& options) {
  auto* const handle = handle_.get();
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(options.timeout.count()));
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.timeout.count()));
  curl_easy_setopt(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  // Many threads use libcurl: no signals for its timeouts.
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, text_.data());
  // What is sent is rare, and servers close idle connections: none is kept.
  curl_easy_setopt(handle, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &take_answer);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, this);
  if (!options.ca_file.empty()) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, options.ca_file.c_str());
    curl_easy_setopt(handle, CURLOPT_CAPATH, nullptr);
  }
}

base::Result<std::unique_ptr<Transfer>> Transfer::of_post(const std::string& url, std::string body,
                                                          const Fields& headers, const PostOptions& options) {
  set_up_once();
  std::unique_ptr<Transfer> out(new Transfer());
  out->body_ = std::move(body);
  bool made = out->handle_ != nullptr;
  for (const auto& [name, value] : headers) made = made && out->lines_.add(fmt::format("{}: {}", name, value));
  if (!made) return base::fail(Errc::kInternal, "no memory for a request");
  auto* const handle = out->handle();
  out->set_common(url, options);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "https,http");
  curl_easy_setopt(handle, CURLOPT_POST, 1L);
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(out->body_.size()));
  curl_easy_setopt(handle, CURLOPT_POSTFIELDS, out->body_.data());
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, out->lines_.get());
  return out;
}

void Transfer::set_sign_in(const Mail& mail) {
  if (mail.user.empty()) return;
  curl_easy_setopt(handle(), CURLOPT_USERNAME, mail.user.c_str());
  curl_easy_setopt(handle(), CURLOPT_PASSWORD, mail.password.c_str());
}

base::Result<std::unique_ptr<Transfer>> Transfer::of_mail(Mail mail, const PostOptions& options) {
  set_up_once();
  std::unique_ptr<Transfer> out(new Transfer());
  out->body_ = std::move(mail.text);
  out->mail_ = true;
  bool made = out->handle_ != nullptr;
  for (const auto& address : mail.to) made = made && out->lines_.add("<" + address + ">");
  if (!made) return base::fail(Errc::kInternal, "no memory for a mail");
  auto* const handle = out->handle();
  out->set_common(mail.server, options);
  out->set_sign_in(mail);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(handle, CURLOPT_USE_SSL,
                   static_cast<long>(mail.tls == MailTls::kRequired ? CURLUSESSL_ALL : CURLUSESSL_TRY));
  curl_easy_setopt(handle, CURLOPT_MAIL_FROM, ("<" + mail.from + ">").c_str());
  curl_easy_setopt(handle, CURLOPT_MAIL_RCPT, out->lines_.get());
  // One address that is no more keeps nobody else from being told.
  curl_easy_setopt(handle, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
  curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(out->body_.size()));
  curl_easy_setopt(handle, CURLOPT_READFUNCTION, &give_body);
  curl_easy_setopt(handle, CURLOPT_READDATA, out.get());
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &take_line);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, out.get());
  return out;
}

base::Result<Response> Transfer::result(CURLcode code) const {
  long status = 0;
  curl_easy_getinfo(handle(), CURLINFO_RESPONSE_CODE, &status);
  Response out;
  out.status = static_cast<unsigned>(status);
  // A mail server's refusal ends the transfer as an error of libcurl's.
  if (mail_ && code != CURLE_OPERATION_TIMEDOUT && (code == CURLE_OK || status >= 400)) {
    out.body = refusals_.empty() ? answer_ : refusals_;
    return out;
  }
  if (code == CURLE_OK) {
    out.body = answer_;
    return out;
  }
  return base::fail(class_of(code), text_[0] != '\0' ? text_.data() : curl_easy_strerror(code));
}

}  // namespace meterhub::http
