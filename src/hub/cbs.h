// $cbs: a connection shows tokens and holds what they prove (spec/azure-amqp.md 4).
#pragma once

#include <string>
#include <string_view>

#include "access.h"
#include "replies.h"

namespace meterhub::hub {

class Session;

// Loop thread.
class Cbs final : public RequestNode {
 public:
  static constexpr std::uint32_t kWindow = 100;         // requests under way
  static constexpr std::uint64_t kRequestMax = 65'536;  // bytes

  explicit Cbs(Session& session);
  void request(const amqp::Delivery& delivery) override;
  // Whoever was refused has waited long enough for the answer.
  void answer_refusals();
  // Once a connection: whoever is at the other end chooses how often it asks.
  void say_refused(std::string_view resource, std::string_view reason);

 private:
  struct Answer {
    int status;
    std::string text;  // becomes the SDK's error message
  };
  Answer answer(const amqp::Message& message);
  Answer show(std::string_view token, std::string_view audience);
  void reply(const Answer& answer, const ReplyTo& to);
  void slow_down();

  Session& session_;
  bool refusal_said_ = false;
  bool refusal_waits_ = false;  // its answer does, and nothing is read meanwhile
  int refusals_ = 0;
};

}  // namespace meterhub::hub
