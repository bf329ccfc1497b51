// How a command reaches a platform: through the control socket of the process that owns the data
// directory, else by taking the directory's lock and opening its stores.
#pragma once

#include <string>

#include <meterhub/base/result.h>
#include <meterhub/http/message.h>

namespace meterhub::app {

// JSON of the answer. `path` as "/api/v1/trace"; `body` is JSON or empty. Errors of the platform come with its text.
base::Result<std::string> ask_platform(const std::string& data, http::Method method, const std::string& path,
                                       const http::Fields& query, const std::string& body = {});

// True when a process answers on the directory's control socket.
bool is_running(const std::string& data);

// "1h" or "2026-01-31T00:00:00Z" as RFC 3339; a duration counts back from now.
base::Result<std::string> since_text(const std::string& text);

}  // namespace meterhub::app
