// Answers a list's requests: pages as JSON, exports as streams.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include <meterhub/base/executor.h>
#include <meterhub/console/list.h>
#include <meterhub/http/server.h>

namespace meterhub::console {

struct ListRoute {
  std::shared_ptr<const ListForm> form;
  ListSource source;
  base::Executor& executor;
};

// Exports take turns with other work of the list's executor, some hundred rows at a time, and hold
// no more than one such block and the connection's buffer; workbooks are written by a thread of their own.
class ListServer {
 public:
  // Exports under way at once; more are told to come again.
  static constexpr int kExportsMax = 4;

  // `scratch`: an existing directory where workbooks are put together; empty: the system's.
  explicit ListServer(const std::string& scratch)
      : scratch_(scratch.empty() ? std::filesystem::temp_directory_path().string() : scratch) {}

  // Loop thread. `alive` ends before the source does: nothing is asked of it afterwards.
  void answer(std::shared_ptr<const ListRoute> route, std::weak_ptr<void> alive, const http::Request& request,
              http::Reply reply);

 private:
  const std::string scratch_;
  std::shared_ptr<std::atomic<int>> exports_ = std::make_shared<std::atomic<int>>(0);
  std::shared_ptr<base::ThreadExecutor> sheets_ = std::make_shared<base::ThreadExecutor>("sheets");
};

}  // namespace meterhub::console
