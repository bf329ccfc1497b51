// A sender to a node that this hub has not: it stands a moment without credit, then it is refused.
#pragma once

#include <string_view>

#include "link_endpoint.h"
#include "session.h"

namespace meterhub::hub {

// Loop thread.
class NotOfferedEndpoint final : public LinkEndpoint {
 public:
  static constexpr std::string_view kText = "this hub has no twins, methods and file notifications";

  NotOfferedEndpoint(Session& session, amqp::LinkId link) : session_(session), link_(link) {}
  // At the second call, so that it stood a second or two.
  void sweep() override {
    if (++seconds_ != 2) return;
    session_.engine().detach(link_, {"amqp:not-implemented", kText});
    session_.mark_dirty();
  }

 private:
  Session& session_;
  const amqp::LinkId link_;
  int seconds_ = 0;
};

}  // namespace meterhub::hub
