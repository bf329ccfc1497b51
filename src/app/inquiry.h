// Several questions to one platform.
#pragma once

#include <memory>
#include <string>

#include <meterhub/base/result.h>
#include <meterhub/http/message.h>

namespace meterhub::app {

class OpenedDirectory;

// As ask_platform() (ask.h), for a command that asks more than once: a directory that nobody owns is opened once, and
// held until this goes. One thread.
class Inquiry {
 public:
  // kNotFound when no platform ever ran in it; kTimeout when its owner does not answer.
  static base::Result<std::unique_ptr<Inquiry>> begin(const std::string& data);
  ~Inquiry();

  // JSON of the answer; `body` is JSON or empty. Errors of the platform come with its text.
  base::Result<std::string> ask(http::Method method, const std::string& path, const http::Fields& query,
                                const std::string& body = {});
  // False: what is asked for is done by this process, and nothing else runs.
  bool is_running() const { return opened_ == nullptr; }

 private:
  Inquiry(std::string data, std::unique_ptr<OpenedDirectory> opened);

  const std::string data_;
  const std::unique_ptr<OpenedDirectory> opened_;  // null: a process owns the directory
};

}  // namespace meterhub::app
