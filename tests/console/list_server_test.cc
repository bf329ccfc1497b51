// Exports and their bounds, over real HTTP.
#include "list_server.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <future>

#include <meterhub/http/client.h>
#include <meterhub/net/event_loop.h>

#include "temporary_directory.h"

namespace meterhub::console {
namespace {

using namespace std::chrono_literals;
using http::Client;
using testing::EndsWith;
using testing::HasSubstr;

// Numbers from 0 on; fails at one of them.
class Numbers final : public ListRows {
 public:
  Numbers(std::uint64_t count, const ListWindow& window, std::uint64_t fails_at)
      : count_(count), next_(window.offset), end_(std::min(count, window.offset + window.limit)), fails_at_(fails_at) {}
  std::optional<std::uint64_t> total() const override { return count_; }
  base::Result<std::vector<ListRow>> next(std::size_t most) override {
    std::vector<ListRow> out;
    for (; next_ < end_ && out.size() < most; ++next_) {
      if (next_ == fails_at_) return base::fail(base::Errc::kIo, "the disk is gone");
      out.push_back({static_cast<std::int64_t>(next_), std::string(100, 'x')});
    }
    return out;
  }

 private:
  const std::uint64_t count_;
  std::uint64_t next_;
  const std::uint64_t end_;
  const std::uint64_t fails_at_;
};

class ListServerTest : public testing::Test {
 protected:
  ListServerTest() {
    server_ = http::Server::create(*loop_, metrics_, {});
    address_ = *server_->listen(net::Address::loopback(), {});
    ListForm form{.name = "numbers", .english = "Numbers", .chinese = "数"};
    form.columns = {{"n", ValueType::kInteger, "N", "数"}, {"text", ValueType::kText, "Text", "文字"}};
    const auto source = [this](const ListQuery&, const Caller&,
                               const ListWindow& window) -> base::Result<std::unique_ptr<ListRows>> {
      return std::make_unique<Numbers>(count_, window, fails_at_);
    };
    const auto route =
        std::make_shared<const ListRoute>(ListRoute{std::make_shared<const ListForm>(std::move(form)), source, *loop_});
    server_->route(http::Method::kGet, "/numbers", [this, route](const http::Request& request, http::Reply reply) {
      lists_.answer(route, alive_, request, std::move(reply));
    });
  }
  template <class F>
  auto beside(F call) {
    auto future = std::async(std::launch::async, std::move(call));
    while (future.wait_for(0s) != std::future_status::ready) loop_->run_once(5ms);
    return future.get();
  }
  base::Result<http::Response> ask(const std::string& target) {
    return beside([target, at = address_] { return Client::tcp(at).get(target); });
  }
  void turn(int times = 50) {
    for (int i = 0; i < times; ++i) loop_->run_once(0ms);
  }

  db::TemporaryDirectory directory_;
  base::ManualClock clock_;
  std::unique_ptr<net::EventLoop> loop_ = std::move(*net::EventLoop::create(clock_));
  base::Metrics metrics_;
  ListServer lists_{directory_.path().string()};
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  std::unique_ptr<http::Server> server_;
  net::Address address_;
  std::uint64_t count_ = 10'000;
  std::uint64_t fails_at_ = UINT64_MAX;
};

TEST_F(ListServerTest, AnExportIsWholeAndInOrder) {
  const auto csv = *ask("/numbers?format=csv");
  EXPECT_EQ(csv.status, 200u);
  EXPECT_EQ(std::ranges::count(csv.body, '\n'), 10'001);
  EXPECT_THAT(csv.body, HasSubstr("\r\n499," + std::string(100, 'x') + "\r\n500,"));
  EXPECT_THAT(csv.body, EndsWith("\r\n9999," + std::string(100, 'x') + "\r\n"));
  const auto part = *ask("/numbers?format=csv&offset=9998&limit=5");
  EXPECT_EQ(std::ranges::count(part.body, '\n'), 3);
}

TEST_F(ListServerTest, AnExportThatFailsDoesNotLookWhole) {
  fails_at_ = 5'000;
  const auto csv = ask("/numbers?format=csv");
  EXPECT_FALSE(csv) << "the client noticed";
  const auto sheet = *ask("/numbers?format=xlsx");
  EXPECT_EQ(sheet.status, 500u);
  EXPECT_THAT(sheet.body, HasSubstr("the disk is gone"));
}

TEST_F(ListServerTest, AListThatNoSheetHoldsIsRefused) {
  count_ = kSheetRowsMax + 1;
  const auto sheet = *ask("/numbers?format=xlsx");
  EXPECT_EQ(sheet.status, 400u);
  EXPECT_THAT(sheet.body, HasSubstr("a sheet holds 1048575 rows, the list has 1048576: narrow it with filters"));
  count_ = kExportRowsMax + 1;
  EXPECT_EQ(ask("/numbers?format=csv")->status, 400u);
  EXPECT_EQ(ask("/numbers?format=xlsx&limit=3")->status, 200u);
  EXPECT_EQ(ask("/numbers")->status, 200u);
}

// A client that asks and then reads nothing.
class Deaf {
 public:
  Deaf(const net::Address& at, const std::string& target) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const int small = 4096;
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(at.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    const auto text = "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    EXPECT_EQ(::send(fd_, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  ~Deaf() { ::close(fd_); }
  Deaf(const Deaf&) = delete;
  Deaf& operator=(const Deaf&) = delete;

 private:
  int fd_;
};

TEST_F(ListServerTest, TooManyExportsAreToldToComeAgain) {
  count_ = 1'000'000;
  {
    std::vector<std::unique_ptr<Deaf>> deaf;
    for (int n = 0; n < ListServer::kExportsMax; ++n)
      deaf.push_back(std::make_unique<Deaf>(address_, "/numbers?format=csv"));
    turn();
    EXPECT_EQ(ask("/numbers?format=csv&limit=1")->status, 429u);
    EXPECT_EQ(ask("/numbers")->status, 200u) << "pages go on";
  }
  // Their places are free when they are noticed to have gone.
  for (int n = 0; n < 200; ++n) {
    clock_.advance(20ms);
    turn(2);
  }
  EXPECT_EQ(ask("/numbers?format=csv&limit=1")->status, 200u);
}

TEST_F(ListServerTest, AClientThatTakesNothingIsLetGo) {
  count_ = 1'000'000;
  const Deaf deaf(address_, "/numbers?format=csv");
  turn();
  EXPECT_EQ(server_->connections(), 1u);
  for (int n = 0; n < 1'600 && server_->connections() > 0; ++n) {
    clock_.advance(20ms);
    turn(2);
  }
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_F(ListServerTest, NothingIsAskedOfASourceThatIsGone) {
  alive_.reset();
  EXPECT_EQ(ask("/numbers")->status, 503u);
  EXPECT_EQ(ask("/numbers?format=xlsx")->status, 503u);
}

}  // namespace
}  // namespace meterhub::console
