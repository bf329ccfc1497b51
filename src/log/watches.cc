#include "watches.h"

#include <atomic>

#include <meterhub/base/mutex.h>

namespace meterhub::log {

struct Watches::Entry {
  base::Offset position;
  base::Executor* call_on;
  base::Task appended;
  std::atomic<bool> cancelled{false};
};

struct Watches::State {
  base::Mutex mutex;
  std::multimap<TopicPartition, std::shared_ptr<Entry>> waiting MH_GUARDED_BY(mutex);

  // Posting happens under the mutex: whoever destroys the handle may destroy the
  // executor after it.
  void fire(TopicPartition partition, base::Offset next) {
    const base::Lock lock(mutex);
    auto [it, end] = waiting.equal_range(partition);
    while (it != end) {
      if (it->second->position >= next) {
        ++it;
        continue;
      }
      auto entry = std::move(it->second);
      it = waiting.erase(it);
      auto& executor = *entry->call_on;
      executor.post([entry = std::move(entry)] {
        if (!entry->cancelled.load(std::memory_order_acquire)) entry->appended();
      });
    }
  }
};

class Watches::Handle final : public Watch {
 public:
  Handle(std::shared_ptr<State> state, TopicPartition partition, std::shared_ptr<Entry> entry)
      : state_(std::move(state)), partition_(partition), entry_(std::move(entry)) {}

  ~Handle() override {
    entry_->cancelled.store(true, std::memory_order_release);
    const base::Lock lock(state_->mutex);
    auto [it, end] = state_->waiting.equal_range(partition_);
    for (; it != end; ++it) {
      if (it->second != entry_) continue;
      state_->waiting.erase(it);
      return;
    }
  }

 private:
  std::shared_ptr<State> state_;
  TopicPartition partition_;
  std::shared_ptr<Entry> entry_;
};

Watches::Watches() : state_(std::make_shared<State>()) {}
Watches::~Watches() = default;

std::unique_ptr<Watch> Watches::add(TopicPartition partition, base::Offset position, base::Executor& call_on,
                                    base::Task appended, const std::function<base::Offset()>& next_now) {
  auto entry = std::make_shared<Entry>();
  entry->position = position;
  entry->call_on = &call_on;
  entry->appended = std::move(appended);
  {
    const base::Lock lock(state_->mutex);
    state_->waiting.emplace(partition, entry);
  }
  auto handle = std::make_unique<Handle>(state_, partition, std::move(entry));
  state_->fire(partition, next_now());
  return handle;
}

void Watches::advanced(TopicPartition partition, base::Offset next) { state_->fire(partition, next); }

}  // namespace meterhub::log
