#include "ask.h"

#include <meterhub/base/settings.h>
#include <meterhub/base/time_text.h>
#include <meterhub/http/client.h>

#include "data_directory.h"
#include "inquiry.h"

namespace meterhub::app {

base::Result<std::string> ask_platform(const std::string& data, http::Method method, const std::string& path,
                                       const http::Fields& query, const std::string& body) {
  return MH_TRY(Inquiry::begin(data))->ask(method, path, query, body);
}

bool is_running(const std::string& data) {
  const auto response = http::Client::unix_domain(DataPaths{data}.control_socket()).get("/health");
  return response || response.error().code != base::Errc::kUnavailable;
}

base::Result<std::string> since_text(const std::string& text) {
  if (const auto span = base::parse_duration(text)) return base::rfc3339(base::SystemClock().now() - *span);
  if (const auto time = base::parse_rfc3339(text)) return base::rfc3339(time->at);
  return base::fail(base::Errc::kInvalidArgument, "\"" + text + "\" is neither a time nor a duration as 1h");
}

}  // namespace meterhub::app
