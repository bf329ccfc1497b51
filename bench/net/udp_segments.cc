// What datagrams between the connector and its network servers cost in system calls: one a call, 64 a call
// (sendmmsg, recvmmsg, as src/net does it), and as segments of one buffer (UDP_SEGMENT, UDP_GRO), where all but the last
// have one size. A window of datagrams is sent and read in turn by one thread, so that none is lost and nobody sleeps:
// the figure is CPU time of both ends.
//   udp_segments single|mmsg|gso BYTES SECONDS
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t kWindow = 64;
constexpr std::size_t kLargest = 1400;
constexpr std::size_t kBuffer = 65'507;  // the largest UDP payload over IPv4
constexpr int kReceiveBuffer = 8 << 20;

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Pair {
  int from = -1;
  int to = -1;
};

Pair connected() {
  Pair out{socket(AF_INET, SOCK_DGRAM, 0), socket(AF_INET, SOCK_DGRAM, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  setsockopt(out.to, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  if (bind(out.to, any, size) != 0 || getsockname(out.to, any, &size) != 0) give_up("bind");
  if (connect(out.from, any, size) != 0) give_up("connect");
  return out;
}

// Each sends one window and reads it; returns datagrams read.
std::size_t singly(const Pair& pair, std::vector<char>& buffer, std::size_t bytes) {
  for (std::size_t i = 0; i < kWindow; ++i)
    if (send(pair.from, buffer.data(), bytes, 0) < 0) give_up("send");
  std::size_t got = 0;
  while (got < kWindow && recv(pair.to, buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) ++got;
  return got;
}

std::size_t in_blocks(const Pair& pair, std::vector<char>& buffer, std::size_t bytes) {
  std::array<iovec, kWindow> parts{};
  std::array<mmsghdr, kWindow> headers{};
  for (std::size_t i = 0; i < kWindow; ++i) {
    parts[i] = {buffer.data() + i * kLargest, bytes};
    headers[i].msg_hdr.msg_iov = &parts[i];
    headers[i].msg_hdr.msg_iovlen = 1;
  }
  if (sendmmsg(pair.from, headers.data(), kWindow, 0) < 0) give_up("sendmmsg");
  for (auto& part : parts) part.iov_len = kLargest;
  const int got = recvmmsg(pair.to, headers.data(), kWindow, MSG_DONTWAIT, nullptr);
  return got < 0 ? 0 : static_cast<std::size_t>(got);
}

std::size_t in_segments(const Pair& pair, std::vector<char>& buffer, std::size_t bytes) {
  const std::size_t a_call = std::min(kWindow, kBuffer / bytes);
  for (std::size_t sent = 0; sent < kWindow; sent += a_call)
    if (send(pair.from, buffer.data(), bytes * std::min(a_call, kWindow - sent), 0) < 0) give_up("send");
  std::size_t got = 0;
  while (got < kWindow) {
    const auto size = recv(pair.to, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size <= 0) break;
    got += (static_cast<std::size_t>(size) + bytes - 1) / bytes;
  }
  return got;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  std::size_t bytes = 0;
  double seconds = 0;
  const auto number = [](std::string_view text, auto& to) {
    return std::from_chars(text.data(), text.data() + text.size(), to).ec == std::errc();
  };
  if (words.size() != 3 || !number(words[1], bytes) || !number(words[2], seconds) || bytes == 0 || bytes > kLargest) {
    std::fputs("usage: udp_segments single|mmsg|gso BYTES SECONDS (at most 1400 bytes)\n", stderr);
    return 2;
  }
  const auto pair = connected();
  auto* round = singly;
  if (words[0] == "mmsg") round = in_blocks;
  if (words[0] == "gso") {
    round = in_segments;
    const int size = static_cast<int>(bytes);
    const int on = 1;
    if (setsockopt(pair.from, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size) != 0) give_up("UDP_SEGMENT");
    if (setsockopt(pair.to, IPPROTO_UDP, UDP_GRO, &on, sizeof on) != 0) give_up("UDP_GRO");
  }
  std::vector<char> buffer(kWindow * kLargest);
  std::size_t datagrams = 0;
  const double begun = cpu_seconds();
  while (cpu_seconds() - begun < seconds)
    for (int i = 0; i < 100; ++i) datagrams += round(pair, buffer, bytes);
  const double used = cpu_seconds() - begun;
  std::printf("%s %zu bytes: %.3f us a datagram, %zu datagrams\n", argv[1], bytes, 1e6 * used / static_cast<double>(datagrams),
              datagrams);
}
