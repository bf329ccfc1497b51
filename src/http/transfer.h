// One request to somebody else's server, in libcurl's hands: what post() and Courier share.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include <curl/curl.h>

#include <meterhub/http/courier.h>
#include <meterhub/http/outgoing.h>

namespace meterhub::http {

template <auto Function>
struct CurlFree {
  template <class T>
  void operator()(T* pointer) const noexcept {
    Function(pointer);
  }
};

// A list of lines of libcurl's; empty at first.
class CurlLines {
 public:
  CurlLines() = default;
  ~CurlLines() { curl_slist_free_all(list_); }
  CurlLines(const CurlLines&) = delete;
  CurlLines& operator=(const CurlLines&) = delete;
  // False when there is no memory.
  bool add(const std::string& line);
  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

// Holds all that libcurl points at: it stays where it is. One thread at a time.
class Transfer {
 public:
  // kInternal: no memory.
  static base::Result<std::unique_ptr<Transfer>> of_post(const std::string& url, std::string body,
                                                         const Fields& headers, const PostOptions& options);
  static base::Result<std::unique_ptr<Transfer>> of_mail(Mail mail, const PostOptions& options);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  CURL* handle() const { return handle_.get(); }
  // After its end: the server's answer, or why there is none.
  base::Result<Response> result(CURLcode code) const;

 private:
  Transfer() : handle_(curl_easy_init()) {}
  void set_common(const std::string& url, const PostOptions& options);
  void set_sign_in(const Mail& mail);
  static std::size_t take_answer(char* bytes, std::size_t size, std::size_t count, void* to);
  static std::size_t take_line(char* bytes, std::size_t size, std::size_t count, void* to);
  static std::size_t give_body(char* to, std::size_t size, std::size_t count, void* from);

  std::string body_;
  std::size_t given_ = 0;  // of the body, to a mail server
  std::string answer_;     // of the server, its beginning
  std::string refusals_;   // lines of a mail server that refuse something
  bool mail_ = false;
  std::array<char, CURL_ERROR_SIZE> text_{};
  CurlLines lines_;
  std::unique_ptr<CURL, CurlFree<&curl_easy_cleanup>> handle_;  // goes first: it points at the others
};

}  // namespace meterhub::http
