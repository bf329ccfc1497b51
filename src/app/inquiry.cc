#include "inquiry.h"

#include <chrono>

#include <nlohmann/json.hpp>

#include <meterhub/http/client.h>
#include <meterhub/sas/token.h>

#include "opened_directory.h"

namespace meterhub::app {
namespace {

std::string target_of(const std::string& path, const http::Fields& query) {
  std::string out = path;
  for (const auto& [name, value] : query) {
    out += out.size() == path.size() ? '?' : '&';
    out += name + "=" + sas::percent_encode(value);
  }
  return out;
}

base::Result<std::string> body_of(const http::Response& response) {
  if (response.status == 200) return response.body;
  const auto error = nlohmann::json::parse(response.body, nullptr, false);
  const auto text =
      error.is_object() && error.contains("error") ? error["error"].value("text", std::string()) : std::string();
  const auto code = response.status == 404 ? base::Errc::kNotFound : base::Errc::kInvalidArgument;
  return base::fail(code, text.empty() ? "the platform answered with status " + std::to_string(response.status) : text);
}

// A platform says at once that it is there, however long a question takes it.
constexpr std::chrono::seconds kAnswersWithin{10};

// kUnavailable: nobody listens; kTimeout: somebody does and says nothing.
base::Result<void> check_answers(const std::string& data) {
  auto client = http::Client::unix_domain(DataPaths{data}.control_socket());
  client.set_timeout(kAnswersWithin);
  const auto health = client.get("/health");
  if (health) return {};
  if (health.error().code != base::Errc::kTimeout) return std::unexpected(health.error());
  const auto holder = base::PosixDisk().read(DataPaths{data}.lock()).value_or("");
  return base::fail(
      base::Errc::kTimeout,
      "process " + holder.substr(0, holder.find_first_of(" \n")) + " owns " + data +
          " and has not answered for 10 s: it is stopped (kill -CONT lets it go on) or the machine is overloaded");
}

}  // namespace

Inquiry::Inquiry(std::string data, std::unique_ptr<OpenedDirectory> opened)
    : data_(std::move(data)), opened_(std::move(opened)) {}
Inquiry::~Inquiry() = default;

base::Result<std::unique_ptr<Inquiry>> Inquiry::begin(const std::string& data) {
  const auto answers = check_answers(data);
  std::unique_ptr<OpenedDirectory> opened;
  if (!answers && answers.error().code != base::Errc::kUnavailable) return std::unexpected(answers.error());
  if (!answers) opened = MH_TRY(OpenedDirectory::open(data));
  return std::unique_ptr<Inquiry>(new Inquiry(data, std::move(opened)));
}

base::Result<std::string> Inquiry::ask(http::Method method, const std::string& path, const http::Fields& query,
                                       const std::string& body) {
  if (is_running()) {
    auto client = http::Client::unix_domain(DataPaths{data_}.control_socket());
    client.set_timeout(std::chrono::minutes(10));
    const auto response =
        client.request(method, target_of(path, query), body,
                       body.empty() ? http::Fields{} : http::Fields{{"Content-Type", "application/json"}});
    if (!response) return std::unexpected(response.error());
    return body_of(*response);
  }
  http::Request request;
  request.method = method;
  request.path = path;
  request.query = query;
  request.body = body;
  request.local = true;
  return body_of(MH_TRY(opened_->answer(request)));
}

}  // namespace meterhub::app
