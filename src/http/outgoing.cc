#include <meterhub/http/outgoing.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include <curl/curl.h>

namespace meterhub::http {
namespace {

using base::Errc;

constexpr std::size_t kAnswerBytesMax = 4096;

template <auto Function>
struct Free {
  template <class T>
  void operator()(T* pointer) const noexcept {
    Function(pointer);
  }
};
using Handle = std::unique_ptr<CURL, Free<&curl_easy_cleanup>>;
using Url = std::unique_ptr<CURLU, Free<&curl_url_cleanup>>;
using Text = std::unique_ptr<char, Free<&curl_free>>;

// A list of header lines; empty at first.
class Lines {
 public:
  ~Lines() { curl_slist_free_all(list_); }
  Lines() = default;
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  bool add(const std::string& line) {
    auto* const longer = curl_slist_append(list_, line.c_str());
    if (longer == nullptr) return false;
    list_ = longer;
    return true;
  }
  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return {};
  const Text owned(text);
  return text;
}

// Called by libcurl; what goes beyond the limit is thrown away.
std::size_t take(char* bytes, std::size_t size, std::size_t count, void* to) {
  auto& out = *static_cast<std::string*>(to);
  out.append(bytes, std::min(size * count, kAnswerBytesMax - out.size()));
  return size * count;
}

base::Error error_of(CURLcode code, const char* text) {
  const std::string what = text[0] != '\0' ? text : curl_easy_strerror(code);
  if (code == CURLE_OPERATION_TIMEDOUT) return {Errc::kTimeout, what};
  if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) return {Errc::kInvalidArgument, what};
  return {Errc::kUnavailable, what};
}

void set_up_once() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

void set_request(CURL* handle, const std::string& url, std::string_view body, const Lines& lines,
                 const PostOptions& options) {
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "https,http");
  curl_easy_setopt(handle, CURLOPT_POST, 1L);
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, lines.get());
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(options.timeout.count()));
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.timeout.count()));
  curl_easy_setopt(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  // Many threads use libcurl: no signals for its timeouts.
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  if (!options.ca_file.empty()) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, options.ca_file.c_str());
    curl_easy_setopt(handle, CURLOPT_CAPATH, nullptr);
  }
}

}  // namespace

base::Result<Response> post(const std::string& url, std::string_view body, const Fields& headers,
                            const PostOptions& options) {
  set_up_once();
  const Handle handle(curl_easy_init());
  Lines lines;
  bool made = handle != nullptr;
  for (const auto& [name, value] : headers) made = made && lines.add(name + ": " + value);
  if (!made) return base::fail(Errc::kInternal, "no memory for a request");
  Response out;
  char text[CURL_ERROR_SIZE] = "";
  set_request(handle.get(), url, body, lines, options);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, &take);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &out.body);
  curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, text);
  if (const auto code = curl_easy_perform(handle.get()); code != CURLE_OK) return std::unexpected(error_of(code, text));
  long status = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
  out.status = static_cast<unsigned>(status);
  return out;
}

base::Result<void> check_post_url(const std::string& url) {
  const Url parsed(curl_url());
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) {
    return base::fail(Errc::kInvalidArgument, "this is no URL");
  }
  if (!part_of(parsed.get(), CURLUPART_USER).empty() || !part_of(parsed.get(), CURLUPART_PASSWORD).empty()) {
    return base::fail(Errc::kInvalidArgument, "no user and password in a URL: it is shown");
  }
  const auto scheme = part_of(parsed.get(), CURLUPART_SCHEME);
  const auto host = part_of(parsed.get(), CURLUPART_HOST);
  const bool here = host == "localhost" || host == "127.0.0.1" || host == "[::1]";
  if (scheme == "https" || (scheme == "http" && here)) return {};
  return base::fail(Errc::kInvalidArgument, "an https URL; http only for a server on this machine");
}

}  // namespace meterhub::http
