// What runs: one object of a role with its thread, drained and destroyed on that thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <meterhub/base/executor.h>

#include "threads.h"

namespace meterhub::app {

class Part {
 public:
  explicit Part(std::string name) : name_(std::move(name)) {}
  virtual ~Part() = default;
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  const std::string& name() const { return name_; }
  // Ends what is under way. False when `patience` ran out.
  virtual bool drain(std::chrono::milliseconds patience) = 0;

 private:
  std::string name_;
};

// `end` is the role's own function to end its work: drain or stop. The executor outlives the part.
template <class Role, void (Role::*end)(base::Task)>
class RolePart final : public Part {
 public:
  // `beneath`: what the role stands on and only it uses; goes after it.
  RolePart(std::string name, base::Executor& executor, std::unique_ptr<Role> role, std::shared_ptr<void> beneath = {})
      : Part(std::move(name)), executor_(executor), beneath_(std::move(beneath)), role_(std::move(role)) {}
  ~RolePart() override {
    run_on(executor_, [this] {
      role_.reset();
      beneath_.reset();
    });
  }

  bool drain(std::chrono::milliseconds patience) override {
    return wait_for_end(executor_, patience, [this](base::Task done) { (role_.get()->*end)(std::move(done)); });
  }
  Role& role() { return *role_; }

 private:
  base::Executor& executor_;
  std::shared_ptr<void> beneath_;
  std::unique_ptr<Role> role_;
};

}  // namespace meterhub::app
