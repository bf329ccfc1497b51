// What the sockets alone cost the hub: connections over loopback in a closed loop, a telemetry
// message's bytes one way, a settlement's back; no TLS, no AMQP. Once with epoll, as the hub does
// it, once with io_uring (multishot receives into a ring of buffers, sends in one submission).
//   socket_floor epoll|uring CONNECTIONS SECONDS
#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t kMessage = 340;    // telemetry in its TLS record
constexpr std::size_t kSettlement = 60;
constexpr unsigned kAtOnce = 1024;
constexpr double kWarmUp = 0.5;  // seconds

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = port;
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return out;
}

void no_delay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) give_up("epoll_ctl");
}

// The gateways: each sends its next message when the last one is answered.
[[noreturn]] void be_gateways(std::uint16_t port, int connections) {
  const std::array<char, kMessage> message{};
  std::array<char, 256> answer{};
  const int epoll = epoll_create1(0);
  for (int i = 0; i < connections; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const auto to = loopback(port);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) give_up("connect");
    no_delay(fd);
    watch(epoll, fd);
    if (write(fd, message.data(), message.size()) < 0) give_up("write");
  }
  std::array<epoll_event, kAtOnce> events{};
  for (;;) {
    const int ready = epoll_wait(epoll, events.data(), kAtOnce, -1);
    for (int i = 0; i < ready; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (read(fd, answer.data(), answer.size()) <= 0 || write(fd, message.data(), message.size()) < 0) std::_Exit(0);
    }
  }
}

// Counts from the end of the warm-up until the time is over.
class Meter {
 public:
  explicit Meter(double seconds) : seconds_(seconds) {}

  void add(std::size_t messages) {
    messages_ += messages;
    ++iterations_;
  }
  bool over() {
    const double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
    if (!warm_ && passed > kWarmUp) {
      *this = Meter(seconds_);
      warm_ = true;
      cpu_ = cpu_now();
      return false;
    }
    return warm_ && passed > seconds_;
  }
  void print(std::string_view how, int connections) const {
    const double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
    const auto messages = static_cast<double>(messages_);
    std::printf("%.*s, %d connections: %.0f messages/s, %.2f us CPU a message, %.1f messages an iteration\n",
                static_cast<int>(how.size()), how.data(), connections, messages / passed,
                (cpu_now() - cpu_) * 1e6 / messages, messages / static_cast<double>(iterations_));
  }

 private:
  static double cpu_now() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
  }

  double seconds_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  bool warm_ = false;
  double cpu_ = 0;
  std::size_t messages_ = 0;
  std::size_t iterations_ = 0;
};

constexpr std::array<char, kSettlement> kAnswer{};

void serve_with_epoll(const std::vector<int>& fds, Meter& meter) {
  const int epoll = epoll_create1(0);
  for (const int fd : fds) watch(epoll, fd);
  std::array<epoll_event, kAtOnce> events{};
  std::array<char, 4096> bytes{};
  std::vector<int> heard;
  while (!meter.over()) {
    const int ready = epoll_wait(epoll, events.data(), kAtOnce, -1);
    heard.clear();
    for (int i = 0; i < ready; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (read(fd, bytes.data(), bytes.size()) > 0) heard.push_back(fd);
    }
    for (const int fd : heard) {
      if (write(fd, kAnswer.data(), kAnswer.size()) < 0) give_up("write");
    }
    meter.add(heard.size());
  }
}

class Ring {
 public:
  Ring() : bytes_(kBuffers * kBufferSize) {
    io_uring_params parameters{};
    parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
    parameters.cq_entries = 2 * kBuffers;
    check(io_uring_queue_init_params(kBuffers, &ring_, &parameters), "io_uring");
    auto* memory = std::aligned_alloc(4096, kBuffers * sizeof(io_uring_buf));
    buffers_ = static_cast<io_uring_buf_ring*>(memory);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uintptr_t>(memory);
    registration.ring_entries = kBuffers;
    check(io_uring_register_buf_ring(&ring_, &registration, 0), "buffer ring");
    io_uring_buf_ring_init(buffers_);
    for (unsigned i = 0; i < kBuffers; ++i) give_back(i, static_cast<int>(i));
    io_uring_buf_ring_advance(buffers_, kBuffers);
  }

  void receive(int fd) {
    auto* entry = next();
    io_uring_prep_recv_multishot(entry, fd, nullptr, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->user_data = static_cast<std::uint64_t>(fd);
  }
  void answer(int fd) {
    auto* entry = next();
    io_uring_prep_send(entry, fd, kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    entry->user_data = 0;
  }
  // Submits what was asked for, waits for something; who was heard.
  void heard(std::vector<int>& out) {
    out.clear();
    io_uring_submit_and_wait(&ring_, 1);
    io_uring_cqe* done = nullptr;
    unsigned head = 0;
    unsigned seen = 0;
    int given = 0;
    std::vector<int> ended;
    io_uring_for_each_cqe(&ring_, head, done) {
      ++seen;
      if (done->user_data == 0) continue;
      const int fd = static_cast<int>(done->user_data);
      if (done->res > 0) {
        give_back(done->flags >> IORING_CQE_BUFFER_SHIFT, given++);
        out.push_back(fd);
      }
      if ((done->flags & IORING_CQE_F_MORE) == 0) ended.push_back(fd);
    }
    io_uring_cq_advance(&ring_, seen);
    io_uring_buf_ring_advance(buffers_, given);
    for (const int fd : ended) receive(fd);
  }

 private:
  static constexpr unsigned kBuffers = 4096;
  static constexpr unsigned kBufferSize = 1024;

  static void check(int result, const char* what) {
    if (result >= 0) return;
    errno = -result;
    give_up(what);
  }
  void give_back(unsigned id, int place) {
    io_uring_buf_ring_add(buffers_, &bytes_[std::size_t{id} * kBufferSize], kBufferSize,
                          static_cast<unsigned short>(id), kBuffers - 1, place);
  }
  io_uring_sqe* next() {
    if (auto* entry = io_uring_get_sqe(&ring_)) return entry;
    io_uring_submit(&ring_);
    return io_uring_get_sqe(&ring_);
  }

  io_uring ring_{};
  io_uring_buf_ring* buffers_ = nullptr;
  std::vector<char> bytes_;
};

void serve_with_uring(const std::vector<int>& fds, Meter& meter) {
  Ring ring;
  for (const int fd : fds) ring.receive(fd);
  std::vector<int> heard;
  while (!meter.over()) {
    ring.heard(heard);
    for (const int fd : heard) ring.answer(fd);
    meter.add(heard.size());
  }
}

}  // namespace

int main(int count, char** arguments) {
  const std::string_view how = count == 4 ? arguments[1] : "";
  if (how != "epoll" && how != "uring") {
    std::fprintf(stderr, "usage: socket_floor epoll|uring CONNECTIONS SECONDS\n");
    return 2;
  }
  const int connections = std::atoi(arguments[2]);
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  auto at = loopback(0);
  socklen_t size = sizeof at;
  if (bind(listener, reinterpret_cast<const sockaddr*>(&at), size) != 0 || listen(listener, 4096) != 0) give_up("listen");
  getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size);
  const pid_t gateways = fork();
  if (gateways == 0) be_gateways(at.sin_port, connections);
  std::vector<int> fds;
  for (int i = 0; i < connections; ++i) {
    fds.push_back(accept(listener, nullptr, nullptr));
    if (fds.back() < 0) give_up("accept");
    no_delay(fds.back());
  }
  Meter meter(std::atof(arguments[3]));
  how == "epoll" ? serve_with_epoll(fds, meter) : serve_with_uring(fds, meter);
  meter.print(how, connections);
  kill(gateways, SIGKILL);
  waitpid(gateways, nullptr, 0);
  return 0;
}
