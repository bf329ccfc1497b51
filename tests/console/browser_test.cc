// The page in Debian's Chromium, from a real console with the system's clock.
#include <gtest/gtest.h>

#include <array>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include <meterhub/console/console.h>

#include "followed_fleet.h"
#include "town.h"

namespace meterhub::console {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kSilence{3};
constexpr std::uint32_t kFading = 17;  // the meter that falls silent

class Browser : public testing::Test {
 protected:
  base::SystemClock clock_;
  fleet::test::Town town_{clock_, 8, std::chrono::hours(1)};
  std::unique_ptr<net::EventLoop> loop_ = std::move(*net::EventLoop::create());
  std::unique_ptr<fleet::test::FollowedFleet> fleet_;
  std::unique_ptr<Console> console_;
  std::thread serving_;
  std::mutex mutex_;
  std::condition_variable quiet_;
  bool silenced_ = false;  // under mutex_
  std::thread saying_;

  void SetUp() override {
    town_.add_meter("Tower B", "3", "301", kSilence);
    ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
    for (std::uint32_t meter = 1; meter <= 16; ++meter) {
      town_.say({.meter = meter, .left = meter % 5 == 0 ? 3'000 : 90'000, .status = meter == 7 ? 2u : meter == 9 ? 8u : 4u});
    }
    town_.alert(5);
    town_.alert(10);
    town_.metrics.counter("meterhub_hub_messages_settled_total", "h").add(12'345);
    town_.metrics.counter("meterhub_connector_dead_letters_total", "h", {{"reason", "bad_length"}}).add(3);
    ConsoleOptions options;
    options.key = make_key();
    fleet_ = std::make_unique<fleet::test::FollowedFleet>(*loop_, town_);
    console_ = std::move(*Console::create(
        *loop_,
        {town_.log, town_.directory_of_meters, *town_.database, fleet_->state, town_.metrics, town_.disk, *loop_}, options));
    serving_ = std::thread([this] { loop_->run(); });
    saying_ = std::thread([this] { keep_saying(); });
  }
  void TearDown() override {
    silence();
    saying_.join();
    loop_->stop();
    serving_.join();
  }
  void silence() {
    const std::lock_guard lock(mutex_);
    silenced_ = true;
    quiet_.notify_all();
  }
  void keep_saying() {
    std::unique_lock lock(mutex_);
    for (std::uint32_t n = 1; !silenced_; ++n) {
      town_.say({.meter = kFading, .fcnt = n, .left = 100'000 - n, .used = n});
      quiet_.wait_for(lock, 500ms);
    }
  }
  // What the script printed; its "silence" is obeyed.
  std::string look(const std::string& locale) {
    const auto command = "cd '" METERHUB_BROWSER "' && node page.mjs '" + console_->url() + "' " +
                         base::Eui64(kFading).text() + " " + locale + " 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    std::string out;
    std::array<char, 4096> line;
    while (fgets(line.data(), static_cast<int>(line.size()), pipe) != nullptr) {
      out += line.data();
      if (std::string_view(line.data()) == "silence\n") silence();
    }
    pclose(pipe);
    return out;
  }
};

TEST_F(Browser, ShowsWhatTheApiSaysAndTurnsASilentFlatGrey) {
  const auto output = look("en-GB");
  EXPECT_TRUE(output.ends_with("PASS\n")) << output;
}

TEST_F(Browser, SpeaksChinese) {
  const auto output = look("zh-CN");
  EXPECT_TRUE(output.ends_with("PASS\n")) << output;
}

}  // namespace
}  // namespace meterhub::console
