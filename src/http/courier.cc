#include <meterhub/http/courier.h>

#include <deque>
#include <map>
#include <thread>

#include <meterhub/base/mutex.h>

#include "transfer.h"

namespace meterhub::http {
namespace {

// An upper limit only: what is submitted wakes the thread, and libcurl knows its own times.
constexpr int kLongestWaitMs = 60'000;

struct Errand {
  std::unique_ptr<Transfer> transfer;
  Courier::Done done;
};

}  // namespace

struct Courier::State {
  void submit(base::Result<std::unique_ptr<Transfer>> transfer, Done done);
  void run();
  bool take_up();
  bool finish_ended();
  void cancel_all();
  void stop();

  std::unique_ptr<CURLM, CurlFree<&curl_multi_cleanup>> multi{curl_multi_init()};
  base::Mutex mutex;
  std::deque<Errand> waiting MH_GUARDED_BY(mutex);
  bool stopping MH_GUARDED_BY(mutex) = false;
  std::map<CURL*, Errand> under_way;  // its thread's
  std::thread thread;
};

void Courier::State::submit(base::Result<std::unique_ptr<Transfer>> transfer, Done done) {
  if (!transfer) return done(std::unexpected(transfer.error()));
  {
    const base::Lock lock(mutex);
    waiting.push_back({std::move(*transfer), std::move(done)});
  }
  curl_multi_wakeup(multi.get());
}

// False: the end.
bool Courier::State::take_up() {
  const base::Lock lock(mutex);
  if (stopping) return false;
  while (!waiting.empty() && under_way.size() < kUnderWayMax) {
    auto* const handle = waiting.front().transfer->handle();
    curl_multi_add_handle(multi.get(), handle);
    under_way.emplace(handle, std::move(waiting.front()));
    waiting.pop_front();
  }
  return true;
}

// True: there is room again.
bool Courier::State::finish_ended() {
  bool ended = false;
  int left = 0;
  while (const auto* message = curl_multi_info_read(multi.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    // The message goes with its handle.
    auto* const handle = message->easy_handle;
    const auto code = message->data.result;
    auto errand = std::move(under_way.at(handle));
    under_way.erase(handle);
    curl_multi_remove_handle(multi.get(), handle);
    errand.done(errand.transfer->result(code));
    ended = true;
  }
  return ended;
}

void Courier::State::cancel_all() {
  std::deque<Errand> left;
  {
    const base::Lock lock(mutex);
    left.swap(waiting);
  }
  for (auto& [handle, errand] : under_way) {
    curl_multi_remove_handle(multi.get(), handle);
    left.push_back(std::move(errand));
  }
  under_way.clear();
  const auto ending = base::fail(base::Errc::kCancelled, "the program is ending");
  for (auto& errand : left) errand.done(ending);
}

void Courier::State::run() {
  while (take_up()) {
    int running = 0;
    curl_multi_perform(multi.get(), &running);
    curl_multi_poll(multi.get(), nullptr, 0, finish_ended() ? 0 : kLongestWaitMs, nullptr);
  }
  cancel_all();
}

void Courier::State::stop() {
  {
    const base::Lock lock(mutex);
    stopping = true;
  }
  curl_multi_wakeup(multi.get());
  if (thread.joinable()) thread.join();
}

Courier::Courier(std::unique_ptr<State> state) : state_(std::move(state)) {}
Courier::~Courier() { state_->stop(); }

base::Result<std::unique_ptr<Courier>> Courier::create() {
  auto state = std::make_unique<State>();
  if (!state->multi) return base::fail(base::Errc::kInternal, "no memory for a courier");
  state->thread = std::thread([raw = state.get()] { raw->run(); });
  return std::unique_ptr<Courier>(new Courier(std::move(state)));
}

void Courier::post(const std::string& url, std::string body, const Fields& headers, const PostOptions& options,
                   Done done) {
  state_->submit(Transfer::of_post(url, std::move(body), headers, options), std::move(done));
}

void Courier::mail(Mail mail, const PostOptions& options, Done done) {
  state_->submit(Transfer::of_mail(std::move(mail), options), std::move(done));
}

}  // namespace meterhub::http
