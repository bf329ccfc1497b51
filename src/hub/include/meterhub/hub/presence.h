// Who is connected, and when a device was heard last: written by the hub's loop, asked on any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/mutex.h>

namespace meterhub::hub {

// Timestamp{} = never.
struct Presence {
  bool connected = false;
  base::Timestamp changed{};  // when it was connected or disconnected last
  base::Timestamp active{};   // when it connected or sent something last, to within a second
  bool operator==(const Presence&) const = default;
};

// One entry a device of the registry that was ever seen: its size is the operator's. Any thread; a short lock.
class PresenceBoard {
 public:
  // `active` alone is news again when it moved on by so much: whoever keeps the news need not write all day.
  static constexpr base::Duration kActiveIsNews = std::chrono::minutes(10);

  void connected(const std::string& device, base::Timestamp now);
  void disconnected(const std::string& device, base::Timestamp now);
  void active(const std::string& device, base::Timestamp now);
  // It is no device any more.
  void forget(const std::string& device);
  // From before a restart; nothing that is known is overwritten.
  void restore(const std::string& device, base::Timestamp changed, base::Timestamp active);

  // Presence{} when it was never seen.
  Presence of(std::string_view device) const;
  std::size_t connected() const;

  using News = std::vector<std::pair<std::string, Presence>>;
  // What changed since the last call.
  News take_news();

 private:
  struct Entry {
    Presence now;
    base::Timestamp told{};  // `active` of the last news
    bool is_news = false;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  void note(const std::string& device, Entry& entry) MH_REQUIRES(mutex_);

  mutable base::Mutex mutex_;
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_ MH_GUARDED_BY(mutex_);
  std::vector<std::string> news_ MH_GUARDED_BY(mutex_);  // each entry at most once
  std::size_t connected_ MH_GUARDED_BY(mutex_) = 0;
};

}  // namespace meterhub::hub
