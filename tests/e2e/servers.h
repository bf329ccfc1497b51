// What whole-product tests start beside a platform, and how they tell it of that.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "process.h"

namespace meterhub::e2e {

// Settings for processes started meanwhile.
class Environment {
 public:
  explicit Environment(Variables values);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const Variables values_;
};

// A process of the role ns with a certificate of the platform in the folder, which has run already.
std::unique_ptr<Process> start_ns(const Folder& folder, const std::string& name, const std::string& listen, const std::string& feed,
                                  const Variables& more = {});

}  // namespace meterhub::e2e
