// Plug-ins that break their contract, and one that opens frames, for the tests of the host.
#include <meterhub/decrypt/cipher_plugin.h>

#include <cmath>
#include <stdexcept>

namespace {

void* create(const char*) {
#ifdef REFUSES
  return nullptr;
#else
  static int instance;
  return &instance;
#endif
}
void destroy(void*) {}

[[maybe_unused]] meterhub_reading reading_of(const std::uint8_t* payload, std::size_t size) {
  meterhub_reading out{};
  out.device_eui = 0x0102030405060708;
  out.session = 3;
  out.counter = 9;
  out.port = 1;
  out.payload = payload;
  out.payload_size = size;
  return out;
}

#ifdef FRAMES
// The frame is the plaintext; the hint becomes the counter.
int open_frame(void*, const meterhub_frame* frame, meterhub_take take, void* context) {
  if (frame->size < 6) return METERHUB_UNKNOWN_DEVICE;
  auto reading = reading_of(frame->bytes, frame->size);
  reading.counter = frame->has_hint != 0 ? frame->hint + 1 : 0;
  take(context, &reading);
  return METERHUB_OPENED;
}
#else
// The body's first letter says what to do wrong.
int open_body(void*, const meterhub_body* body, meterhub_take take, void* context) {
  const auto good = reading_of(body->bytes, body->size);
  auto bad = good;
  switch (body->size == 0 ? '-' : body->bytes[0]) {
    case 'r': take(context, &good); return 77;
    case 't': throw std::runtime_error("against the contract");
    case 'n': take(context, nullptr); return METERHUB_OPENED;
    case 'p': bad.payload = nullptr; take(context, &bad); return METERHUB_OPENED;
    case 'l': bad.payload_size = 5'000; take(context, &bad); return METERHUB_OPENED;
    case 'c': bad.reception_count = 1; take(context, &bad); return METERHUB_OPENED;
    case 'e': while (take(context, &good) == 0) {} return METERHUB_OPENED;
    default: break;
  }
  const meterhub_reception receptions[] = {{0xA1, body->enqueued_us - 5'000'000, -80.5, 7.0},
                                           {0xA2, METERHUB_NO_TIME, NAN, NAN}};
  bad.receptions = receptions;
  bad.reception_count = 2;
  take(context, &bad);
  return METERHUB_OPENED;
}
#endif

}  // namespace

extern "C" const meterhub_plugin* meterhub_plugin_entry(std::uint32_t) {
#ifdef OTHER_ABI
  static const meterhub_plugin kPlugin{METERHUB_PLUGIN_ABI + 1, create, destroy, open_body, nullptr};
#elif defined(FRAMES)
  static const meterhub_plugin kPlugin{METERHUB_PLUGIN_ABI, create, destroy, nullptr, open_frame};
#else
  static const meterhub_plugin kPlugin{METERHUB_PLUGIN_ABI, create, destroy, open_body, nullptr};
#endif
  return &kPlugin;
}
