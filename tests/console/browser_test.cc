// The page in Debian's Chromium, from a real console with the system's clock.
#include <gtest/gtest.h>

#include <array>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include <meterhub/console/console.h>
#include <meterhub/console/office_lists.h>
#include <meterhub/tables/episodes.h>

#include "followed_fleet.h"
#include "town.h"

namespace meterhub::console {
namespace {

using namespace std::chrono_literals;
using alarm::Rule;
using alarm::Subject;

constexpr std::chrono::seconds kSilence{3};
constexpr std::uint32_t kFading = 17;  // the meter that falls silent

class Browser : public testing::Test {
 protected:
  base::SystemClock clock_;
  fleet::test::Town town_{clock_, 8, std::chrono::hours(1)};
  std::unique_ptr<net::EventLoop> loop_ = std::move(*net::EventLoop::create());
  std::unique_ptr<fleet::test::FollowedFleet> fleet_;
  // The office's, on the loop's thread once it runs.
  alarm::Episodes episodes_{alarm::Policies()};
  fleet::Surveyed surveyed_;
  fleet::Completeness completeness_;
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
    town_.metrics.counter("meterhub_hub_messages_settled_total", "h").add(12'345);
    town_.metrics.counter("meterhub_connector_dead_letters_total", "h", {{"reason", "bad_length"}}).add(3);
    ConsoleOptions options;
    options.key = make_key();
    fleet_ = std::make_unique<fleet::test::FollowedFleet>(*loop_, town_);
    console_ = std::move(*Console::create(
        *loop_,
        {town_.log, town_.directory_of_meters, *town_.database, fleet_->state, town_.metrics, town_.disk, *loop_}, options));
    open_office();
    tell_usage();
    serving_ = std::thread([this] { loop_->run(); });
    saying_ = std::thread([this] { keep_saying(); });
  }
  void TearDown() override {
    silence();
    saying_.join();
    loop_->stop();
    serving_.join();
  }
  void open_office() {
    for (const std::uint64_t low : {5u, 10u, 15u}) raise(Rule::kLowBalance, Subject::meter(base::Eui64(low)), "left 3.000 m3");
    raise(Rule::kTamper, Subject::meter(base::Eui64(9)), "status 8");
    raise(Rule::kSilentGateway, Subject::named(alarm::SubjectKind::kGateway, "gw-1"), "");
    for (std::uint64_t more = 1'000; more < 1'060; ++more) raise(Rule::kOwnLimit, Subject::meter(base::Eui64(more)), "left 7.000 m3");
    write_changes();
    surveyed_.as_of = completeness_.as_of = clock_.now();
    std::uint32_t n = 0;
    for (auto& building : town_.directory_of_meters.buildings()) {
      ++n;
      surveyed_.buildings.push_back({building, {.meters = 8, .online = 7, .low = 1, .open_alarms = n, .flow = 1'234 * n, .used_today = 5'678}});
    }
    surveyed_.districts.push_back({base::TenantNumber(1), "Yuzhong", 2, {.meters = 17, .silent = 3, .open_alarms = 4, .used_today = 11'356}});
    surveyed_.districts.push_back({base::TenantNumber(1), "", 0, {.meters = 2, .silent = 2}});
    fleet::CountedArea area{.kind = fleet::AreaKind::kDistrict, .tenant = base::TenantNumber(1), .district = "Yuzhong"};
    area.figures.yesterday.received = 95;
    area.figures.yesterday.missing[static_cast<std::size_t>(fleet::Missing::kLost)] = 5;
    completeness_.areas.push_back(area);
    add_office_lists(*console_, {.episodes = episodes_,
                                 .directory = town_.directory_of_meters,
                                 .clock = clock_,
                                 .database = *town_.database,
                                 .waiting = *loop_,
                                 .surveyed = [this]() -> const fleet::Surveyed& { return surveyed_; },
                                 .completeness = [this]() -> const fleet::Completeness& { return completeness_; },
                                 .act = [this](OfficeView::Act act, OfficeView::Done done) {
                                   const auto outcome = act(episodes_);
                                   write_changes();
                                   done(outcome);
                                 }});
  }
  void raise(Rule rule, const Subject& subject, std::string_view detail) {
    episodes_.observe({.rule = rule, .subject = subject, .tenant = base::TenantNumber(1), .active = true, .at = clock_.now(), .detail = detail});
  }
  // Stored, and told to those who follow, as the platform does.
  void write_changes() {
    const auto changes = episodes_.take_changes();
    ASSERT_TRUE(town_.database->transact([&](db::Connection& connection) { return tables::write_episodes(connection, changes); }));
    std::string list;
    for (const auto& episode : changes.episodes) list += (list.empty() ? "[" : ",") + episode_json(episode, town_.directory_of_meters);
    if (!list.empty()) console_->publisher()("episodes", base::TenantNumber(1), list + ']');
  }
  // Two tenants' hours, one of them without a row.
  void tell_usage() {
    console_->server().route(http::Method::kGet, "/api/v1/usage", [](const http::Request&, http::Reply reply) {
      std::string rows;
      for (const auto& [hour, used] : {std::pair(4, 1.5), {4, 2.5}, {5, 3.0}, {7, 6.0}}) {
        rows += std::string(rows.empty() ? "" : ",") + R"({"begin":"2026-01-05T0)" + std::to_string(hour) + R"(:00:00Z","used":)" +
                std::to_string(used) + '}';
      }
      std::move(reply).send(http::Response::json(200, R"({"by":"hour","computed_to":null,"rows":[)" + rows + "]}"));
    });
  }
  void leak() {
    loop_->post([this] {
      raise(Rule::kLeak, Subject::meter(base::Eui64(3)), "130 min, 0.125 m3/h");
      write_changes();
    });
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
  // What the script printed; its "trouble" and "silence" are obeyed.
  std::string look(const std::string& locale) {
    const auto command = "cd '" METERHUB_BROWSER "' && node page.mjs '" + console_->url() + "' " +
                         base::Eui64(kFading).text() + " " + locale + " 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    std::string out;
    std::array<char, 4096> line;
    while (fgets(line.data(), static_cast<int>(line.size()), pipe) != nullptr) {
      out += line.data();
      if (std::string_view(line.data()) == "trouble\n") leak();
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
