// What people on call ask of a platform: the commands' part of the HTTP API, on the control
// socket of a running process or over the opened stores of a directory that nobody owns.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <meterhub/base/executor.h>
#include <meterhub/http/server.h>
#include <meterhub/log/log.h>
#include <meterhub/registry/directory.h>

#include "letters.h"

namespace meterhub::app {

// What the answers come from; all of it outlives the API.
struct OperatorWorld {
  log::Log& log;
  const registry::Directory& directory;
  // Closes every hour of the lake; empty when there is nobody to ask.
  std::function<void(std::move_only_function<void(base::Result<void>)>)> compact;
};

// On its executor, which should be a thread of its own: a trace reads hours of logs.
class OperatorApi {
 public:
  static base::Result<std::unique_ptr<OperatorApi>> create(OperatorWorld world, base::Executor& executor);

  // Answers JSON. `request` needs method, path and query only.
  using Done = std::move_only_function<void(base::Result<std::string>)>;
  void answer(const http::Request& request, Done done);
  void drain(base::Task done) { letters_->drain(std::move(done)); }
  // Goes with the object.
  std::weak_ptr<void> alive() const { return alive_; }

 private:
  OperatorApi(OperatorWorld world, base::Executor& executor) : world_(std::move(world)), executor_(executor) {}
  base::Result<std::string> trace_json(const http::Request& request) const;
  base::Result<std::string> letters_json(const http::Request& request) const;
  void retry(const http::Request& request, Done done);
  void replay(const http::Request& request, Done done);
  void compact(Done done);

  const OperatorWorld world_;
  base::Executor& executor_;
  std::unique_ptr<Letters> letters_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

// Server's loop thread. The executor outlives the server; the API may go before it.
void add_routes(http::Server& server, OperatorApi& api, base::Executor& executor);

}  // namespace meterhub::app
