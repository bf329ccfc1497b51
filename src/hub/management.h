// $management: what event hubs and partitions there are (spec/azure-amqp.md 8).
#pragma once

#include "event_hubs.h"
#include "replies.h"

namespace meterhub::hub {

class Session;

// Loop thread.
class Management final : public RequestNode {
 public:
  static constexpr std::uint32_t kWindow = 100;         // requests under way
  static constexpr std::uint64_t kRequestMax = 65'536;  // bytes

  explicit Management(Session& session);
  void request(const amqp::Delivery& delivery) override;

 private:
  // What is asked for, or why there is no answer.
  struct Refused {
    int status;
    std::string_view condition;
    std::string text;
  };
  struct Asked {
    const EventHub* event_hub = nullptr;
    std::string name{};                            // as the request has it
    std::optional<base::PartitionId> partition{};  // nothing: the event hub itself
  };
  std::expected<Asked, Refused> read(const amqp::Message& message) const;
  void answer(const Asked& asked, const ReplyTo& to);
  void refuse(const Refused& refused, const ReplyTo& to);
  void push(base::Bytes reply);

  Session& session_;
};

}  // namespace meterhub::hub
