#include "signals.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace meterhub::app {
namespace {

// What comes so soon after a signal is the same wish: `timeout` and others send it to the process and to its group.
constexpr std::chrono::milliseconds kOneWish{200};

sigset_t stop_set() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

base::Result<std::unique_ptr<StopSignals>> StopSignals::create() {
  const auto set = stop_set();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  const int signals = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  const int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (signals < 0 || wake < 0) return base::fail(base::Errc::kIo, std::string("signals: ") + std::strerror(errno));
  return std::unique_ptr<StopSignals>(new StopSignals(signals, wake));
}

StopSignals::~StopSignals() {
  ::close(signals_);
  ::close(wake_);
}

bool StopSignals::wait(std::chrono::milliseconds longest) {
  std::array<pollfd, 2> watched{pollfd{signals_, POLLIN, 0}, pollfd{wake_, POLLIN, 0}};
  return ::poll(watched.data(), watched.size(), static_cast<int>(longest.count())) > 0;
}

void StopSignals::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
}

void StopSignals::let_next_end_the_process() {
  const auto end = std::chrono::steady_clock::now() + kOneWish;
  for (auto left = kOneWish; left.count() > 0;) {
    pollfd watched{signals_, POLLIN, 0};
    ::poll(&watched, 1, static_cast<int>(left.count()));
    signalfd_siginfo taken;
    while (::read(signals_, &taken, sizeof taken) > 0) {
    }
    left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  }
  std::signal(SIGINT, SIG_DFL);  // whoever started us may have told it to be ignored
  std::signal(SIGTERM, SIG_DFL);
  const auto set = stop_set();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace meterhub::app
