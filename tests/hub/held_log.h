// A log whose transactions wait until the test lets them go, or fail as it says.
#pragma once

#include <deque>
#include <optional>

#include <meterhub/log/memory.h>

namespace meterhub::hub::test {

class HeldLog final : public log::Log {
 public:
  explicit HeldLog(const base::Clock& clock) : inner_(clock) {}

  bool hold = false;
  double filled = 0;
  std::optional<base::Error> failure;
  std::size_t held() const { return held_.size(); }
  std::size_t transactions = 0;

  void release() {
    for (auto& run : std::exchange(held_, {})) run();
  }

  void transact(log::Transaction transaction, base::Executor& reply_on, log::Done done) override {
    ++transactions;
    if (failure) {
      reply_on.post([d = std::move(done), e = *failure]() mutable { d(std::unexpected(e)); });
    } else if (hold) {
      held_.push_back([this, t = std::move(transaction), &reply_on, d = std::move(done)]() mutable {
        inner_.transact(std::move(t), reply_on, std::move(d));
      });
    } else {
      inner_.transact(std::move(transaction), reply_on, std::move(done));
    }
  }
  double fill() const override { return filled; }

  base::Result<base::TopicId> declare(const log::TopicSpec& spec) override { return inner_.declare(spec); }
  base::Result<base::TopicId> topic(std::string_view name) const override { return inner_.topic(name); }
  std::string topic_name(base::TopicId topic) const override { return inner_.topic_name(topic); }
  std::uint32_t partitions(base::TopicId topic) const override { return inner_.partitions(topic); }
  std::vector<std::string> topics() const override { return inner_.topics(); }
  base::Result<std::unique_ptr<log::Cursor>> open(log::TopicPartition p, log::From f) override {
    return inner_.open(p, f);
  }
  std::unique_ptr<log::Watch> watch(log::TopicPartition p, base::Offset o, base::Executor& e, base::Task t) override {
    return inner_.watch(p, o, e, std::move(t));
  }
  base::Result<log::Bounds> bounds(log::TopicPartition p) const override { return inner_.bounds(p); }
  base::Timestamp complete_until() const override { return inner_.complete_until(); }
  base::Result<base::Offset> offset_for_time(log::TopicPartition p, base::Timestamp t) const override {
    return inner_.offset_for_time(p, t);
  }
  base::Result<std::optional<base::Offset>> committed(std::string_view g, log::TopicPartition p) const override {
    return inner_.committed(g, p);
  }
  base::Result<std::optional<std::string>> state(std::string_view g, log::TopicPartition p,
                                                 std::string_view n) const override {
    return inner_.state(g, p, n);
  }
  base::Result<void> scan_state(std::string_view g, log::TopicPartition p, std::string_view prefix,
                                const std::function<bool(std::string_view, std::string_view)>& v) const override {
    return inner_.scan_state(g, p, prefix, v);
  }
  base::Result<std::unique_ptr<log::Membership>> join(std::string_view g, std::vector<base::TopicId> t,
                                                      std::vector<log::TopicPartition> o, base::Executor& e,
                                                      log::GroupListener& l) override {
    return inner_.join(g, std::move(t), std::move(o), e, l);
  }

 private:
  log::MemoryLog inner_;
  std::deque<base::Task> held_;
};

}  // namespace meterhub::hub::test
