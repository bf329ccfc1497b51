#include "building_stream.h"

#include "places.h"

namespace meterhub::console {
namespace {

// Work before the loop gets its turn again.
constexpr std::size_t kBuildingsOfTurn = 16;
// Until the client has taken something.
constexpr std::chrono::milliseconds kPause{20};
// A client that takes nothing for this long is let go.
constexpr int kPausesMax = 1500;

class BuildingStream : public std::enable_shared_from_this<BuildingStream> {
 public:
  BuildingStream(net::EventLoop& loop, const registry::Directory& directory, const fleet::FleetState& fleet, std::size_t limit,
                 const Caller& caller, std::weak_ptr<void> alive, http::StreamPtr stream)
      : loop_(loop),
        directory_(directory),
        fleet_(fleet),
        caller_(caller),
        alive_(std::move(alive)),
        stream_(std::move(stream)),
        buildings_(directory.buildings()) {
    std::erase_if(buildings_, [&](const auto& building) { return !caller_.sees(building.tenant); });
    whole_ = buildings_.size() < limit;
    if (buildings_.size() > limit) buildings_.resize(limit);
  }

  void go_on() {
    if (alive_.expired() || !stream_->open()) return stream_->end();
    for (std::size_t n = 0; n < kBuildingsOfTurn; ++n) {
      if (pending_.empty()) {
        if (next_ > buildings_.size()) return stream_->end();
        pending_ = part(next_++);
      }
      if (!stream_->write(pending_)) return wait();
      pending_.clear();
      pauses_ = 0;
    }
    loop_.post([self = shared_from_this()] { self->go_on(); });
  }

 private:
  // The array's pieces: a building each, and one after the last that closes it.
  std::string part(std::size_t index) {
    std::string out = index == 0 ? "[" : "";
    auto body = index < buildings_.size() ? building_json(directory_, fleet_, buildings_[index], caller_)
                : whole_                  ? unplaced_json(directory_, fleet_, caller_)
                                          : std::string();
    if (index > 0 && !body.empty()) out += ',';
    out += body;
    if (index == buildings_.size()) out += ']';
    return out;
  }
  void wait() {
    if (++pauses_ > kPausesMax) return stream_->end();
    loop_.after(kPause, [self = shared_from_this()] { self->go_on(); });
  }

  net::EventLoop& loop_;
  const registry::Directory& directory_;
  const fleet::FleetState& fleet_;
  const Caller caller_;
  const std::weak_ptr<void> alive_;
  const http::StreamPtr stream_;
  std::vector<registry::BuildingEntry> buildings_;
  bool whole_ = false;
  std::size_t next_ = 0;
  std::string pending_;
  int pauses_ = 0;
};

}  // namespace

void stream_buildings(net::EventLoop& loop, const registry::Directory& directory, const fleet::FleetState& fleet,
                      std::size_t limit, const Caller& caller, std::weak_ptr<void> alive, http::Reply reply) {
  auto stream = std::move(reply).stream({200, {{"Content-Type", "application/json; charset=utf-8"}}, {}});
  std::make_shared<BuildingStream>(loop, directory, fleet, limit, caller, std::move(alive), std::move(stream))->go_on();
}

}  // namespace meterhub::console
