// The injectable I/O layer: loaded into a started program (LD_PRELOAD), it stands between all of the
// program's code, libraries too, and the C library's calls for files, clocks and TCP. What goes wrong
// says the mapped file of control.h.
//
// Called on any thread of the program, also before and after main(); allocates nothing.
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

#include "control.h"

namespace {

using meterhub::chaos::Control;

Control* control = nullptr;
const char* root = nullptr;
std::size_t root_size = 0;

__attribute__((constructor)) void map_control() {
  const char* path = std::getenv(meterhub::chaos::kControlVariable);
  root = std::getenv(meterhub::chaos::kRootVariable);
  if (path == nullptr || root == nullptr) return;
  root_size = std::strlen(root);
  const int fd = ::open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* at = ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (at != MAP_FAILED) control = static_cast<Control*>(at);
}

// The C library's own function.
template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}
#define MH_NEXT(name) static const auto real = next<decltype(::name)>(#name)

bool disk_armed() { return control != nullptr && control->disk_armed.load(std::memory_order_acquire) != 0; }

bool is_in_area(const char* path) {
  return std::strncmp(path, root, root_size) == 0 && std::strstr(path + root_size, control->area) != nullptr;
}

// Asked of the system each time: numbers are used again for other files.
bool is_in_area(int fd) {
  char link[32] = "/proc/self/fd/";
  char digits[12];
  std::size_t count = 0;
  for (auto rest = static_cast<unsigned>(fd); count == 0 || rest != 0; rest /= 10) digits[count++] = static_cast<char>('0' + rest % 10);
  auto* out = link + std::strlen(link);
  while (count > 0) *out++ = digits[--count];
  *out = '\0';
  char path[4096];
  const auto size = ::readlink(link, path, sizeof path - 1);
  if (size <= 0) return false;
  path[size] = '\0';
  return is_in_area(path);
}

// True for the call that counts a counter down to zero.
bool is_due(std::atomic<std::int32_t>& counter) {
  auto left = counter.load(std::memory_order_relaxed);
  while (left > 0) {
    if (counter.compare_exchange_weak(left, left - 1)) return left == 1;
  }
  return false;
}

void delay(std::uint32_t us) {
  if (us == 0) return;
  control->delays.fetch_add(1);
  const timespec span{static_cast<time_t>(us / 1'000'000), static_cast<long>(us % 1'000'000) * 1000};
  ::nanosleep(&span, nullptr);
}

// How many of `size` bytes fit the disk.
std::size_t room_for(std::size_t size) {
  if (control->full.load() == 0) return size;
  auto left = control->bytes_left.load();
  while (left > 0) {
    const auto taken = std::min(left, static_cast<std::int64_t>(size));
    if (control->bytes_left.compare_exchange_weak(left, left - taken)) return static_cast<std::size_t>(taken);
  }
  return 0;
}

// One write of `size` bytes; `some(n)` does n of them for real. As on a disk that fills up, the last
// write before the end is short.
template <class Some>
ssize_t write_file(std::size_t size, Some some) {
  delay(control->write_delay_us.load());
  if (is_due(control->writes_until_torn)) {
    some(size * std::min<std::uint32_t>(control->torn_share.load(), 255) / 256);
    control->torn_writes.fetch_add(1);
    ::kill(::getpid(), SIGKILL);
    ::pause();
  }
  const auto room = room_for(size);
  if (room == 0 && size > 0) {
    control->refused_writes.fetch_add(1);
    errno = ENOSPC;
    return -1;
  }
  return some(room);
}

template <class Real>
int sync_file(int fd, Real real) {
  if (!disk_armed() || !is_in_area(fd)) return real();
  delay(control->sync_delay_us.load());
  if (!is_due(control->syncs_until_error)) return real();
  control->sync_errors.fetch_add(1);
  errno = EIO;
  return -1;
}

// Scattered pieces as one, so that any number of bytes can be written.
template <class Some>
ssize_t write_pieces(const iovec* pieces, int count, Some some) {
  std::size_t size = 0;
  for (int i = 0; i < count; ++i) size += pieces[i].iov_len;
  return write_file(size, [&](std::size_t wanted) -> ssize_t {
    if (wanted == size) return some(pieces, count);
    for (int i = 0; i < count; ++i) {  // a short write may be as short as it likes
      if (pieces[i].iov_len == 0) continue;
      const iovec first{pieces[i].iov_base, std::min(pieces[i].iov_len, wanted)};
      return some(&first, 1);
    }
    return 0;
  });
}

bool is_tcp(int fd) {
  int type = 0, domain = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) return false;
  size = sizeof domain;
  return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && (domain == AF_INET || domain == AF_INET6);
}

// True when this write is to fail; the program then closes the socket, and the peer is told by a reset.
bool is_reset(int fd) {
  if (control == nullptr || control->sends_until_reset.load(std::memory_order_relaxed) <= 0 || !is_tcp(fd)) return false;
  if (!is_due(control->sends_until_reset)) return false;
  const linger at_once{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  control->resets.fetch_add(1);
  errno = ECONNRESET;
  return true;
}

std::int64_t clock_shift() { return control == nullptr ? 0 : control->clock_shift_us.load(std::memory_order_relaxed); }

timespec shifted(timespec time, std::int64_t us) {
  const auto whole = (static_cast<std::int64_t>(time.tv_sec) * 1'000'000) + us;
  time.tv_sec = static_cast<time_t>(whole / 1'000'000);
  time.tv_nsec += static_cast<long>(whole % 1'000'000) * 1000;
  if (time.tv_nsec >= 1'000'000'000) {
    time.tv_nsec -= 1'000'000'000;
    time.tv_sec += 1;
  }
  return time;
}

// Seconds of the wall clock are of another size than seconds since the machine started.
bool is_wall_time(const timespec& time) { return time.tv_sec > 1'000'000'000; }

}  // namespace

extern "C" {

// ---- files ----
ssize_t write(int fd, const void* bytes, size_t size) {
  MH_NEXT(write);
  if (is_reset(fd)) return -1;
  if (!disk_armed() || !is_in_area(fd)) return real(fd, bytes, size);
  return write_file(size, [&](std::size_t some) { return real(fd, bytes, some); });
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  MH_NEXT(pwrite);
  if (!disk_armed() || !is_in_area(fd)) return real(fd, bytes, size, at);
  return write_file(size, [&](std::size_t some) { return real(fd, bytes, some, at); });
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t at) {
  MH_NEXT(pwrite64);
  if (!disk_armed() || !is_in_area(fd)) return real(fd, bytes, size, at);
  return write_file(size, [&](std::size_t some) { return real(fd, bytes, some, at); });
}
ssize_t writev(int fd, const iovec* pieces, int count) {
  MH_NEXT(writev);
  if (is_reset(fd)) return -1;
  if (!disk_armed() || !is_in_area(fd)) return real(fd, pieces, count);
  return write_pieces(pieces, count, [&](const iovec* some, int n) { return real(fd, some, n); });
}
ssize_t pwritev(int fd, const iovec* pieces, int count, off_t at) {
  MH_NEXT(pwritev);
  if (!disk_armed() || !is_in_area(fd)) return real(fd, pieces, count, at);
  return write_pieces(pieces, count, [&](const iovec* some, int n) { return real(fd, some, n, at); });
}
ssize_t pwritev64(int fd, const iovec* pieces, int count, off64_t at) {
  MH_NEXT(pwritev64);
  if (!disk_armed() || !is_in_area(fd)) return real(fd, pieces, count, at);
  return write_pieces(pieces, count, [&](const iovec* some, int n) { return real(fd, some, n, at); });
}
int fsync(int fd) {
  MH_NEXT(fsync);
  return sync_file(fd, [&] { return real(fd); });
}
int fdatasync(int fd) {
  MH_NEXT(fdatasync);
  return sync_file(fd, [&] { return real(fd); });
}
int fallocate(int fd, int mode, off_t from, off_t size) {
  MH_NEXT(fallocate);
  if (disk_armed() && control->full.load() != 0 && is_in_area(fd)) {
    errno = ENOSPC;
    return -1;
  }
  return real(fd, mode, from, size);
}
int fallocate64(int fd, int mode, off64_t from, off64_t size) {
  MH_NEXT(fallocate64);
  if (disk_armed() && control->full.load() != 0 && is_in_area(fd)) {
    errno = ENOSPC;
    return -1;
  }
  return real(fd, mode, from, size);
}
int mkdir(const char* path, mode_t mode) noexcept {
  MH_NEXT(mkdir);
  if (disk_armed() && is_in_area(path) && room_for(1) == 0) {
    errno = ENOSPC;
    return -1;
  }
  return real(path, mode);
}

// ---- TCP ----
ssize_t send(int fd, const void* bytes, size_t size, int flags) {
  MH_NEXT(send);
  return is_reset(fd) ? -1 : real(fd, bytes, size, flags);
}

// ---- the wall clock ----
int clock_gettime(clockid_t clock, timespec* out) noexcept {
  MH_NEXT(clock_gettime);
  const int result = real(clock, out);
  const auto shift = clock_shift();
  if (result == 0 && shift != 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) *out = shifted(*out, shift);
  return result;
}
int gettimeofday(timeval* __restrict out, void* __restrict zone) noexcept {
  MH_NEXT(gettimeofday);
  const int result = real(out, zone);
  if (result == 0) out->tv_sec += static_cast<time_t>(clock_shift() / 1'000'000);
  return result;
}
time_t time(time_t* out) noexcept {
  MH_NEXT(time);
  const auto now = real(nullptr) + static_cast<time_t>(clock_shift() / 1'000'000);
  if (out != nullptr) *out = now;
  return now;
}
// The kernel's clock was not shifted: a time to wait until goes back by as much.
int pthread_cond_timedwait(pthread_cond_t* __restrict condition, pthread_mutex_t* __restrict mutex,
                           const timespec* __restrict until) {
  MH_NEXT(pthread_cond_timedwait);
  const auto real_until = is_wall_time(*until) ? shifted(*until, -clock_shift()) : *until;
  return real(condition, mutex, &real_until);
}
int pthread_cond_clockwait(pthread_cond_t* __restrict condition, pthread_mutex_t* __restrict mutex, clockid_t clock,
                           const timespec* __restrict until) {
  MH_NEXT(pthread_cond_clockwait);
  const auto real_until = clock == CLOCK_REALTIME ? shifted(*until, -clock_shift()) : *until;
  return real(condition, mutex, clock, &real_until);
}

}  // extern "C"
