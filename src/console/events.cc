#include "events.h"

namespace meterhub::console {

template <class Write>
void EventClients::each(Write write) {
  std::erase_if(streams_, [&](const http::StreamPtr& stream) {
    const bool taken = write(*stream);
    if (!taken) stream->end();
    return !taken;
  });
}

bool EventClients::has_room() {
  std::erase_if(streams_, [](const http::StreamPtr& stream) { return !stream->open(); });
  return streams_.size() < most_;
}

void EventClients::send(std::string_view event, std::string_view data) {
  each([&](http::Stream& stream) { return stream.send_event(event, data); });
}

void EventClients::send_comment() {
  each([](http::Stream& stream) { return stream.write(":\n\n"); });
}

void EventClients::end() {
  for (const auto& stream : streams_) stream->end();
  streams_.clear();
}

}  // namespace meterhub::console
