#include <array>
#include <cstring>

#include <meterhub/registry/session_feed.h>

// The byte format: docs/formats/session-feed.md.
namespace meterhub::registry {
namespace {

using base::Errc;

enum class Type : std::uint8_t { kSnapshotBegin = 1, kSnapshotEnd = 2, kPut = 3, kDropped = 4, kHeartbeat = 5 };

constexpr std::size_t kHeader = 5;          // u32 length of what follows it, u8 type
constexpr std::size_t kSessionBytes = 54;
constexpr std::size_t kDroppedBytes = 8;
static_assert(kFeedBlock * kSessionBytes + kHeader < kMaxFeedFrame);

template <class T>
void put(base::Bytes& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * i)));
}

template <class T>
T take(base::BytesView& bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value |= std::uint64_t{bytes[i]} << (8 * i);
  bytes = bytes.subspan(sizeof(T));
  return static_cast<T>(value);
}

void take_key(base::BytesView& bytes, lorawan::AesKey& key) {
  std::memcpy(key.data(), bytes.data(), key.size());
  bytes = bytes.subspan(key.size());
}

void put_session(base::Bytes& out, const lorawan::Session& session) {
  put(out, session.dev_addr.value);
  put(out, session.dev_eui.value);
  put(out, session.meter.value);
  put(out, session.number.value);
  out.insert(out.end(), session.nwk_skey.begin(), session.nwk_skey.end());
  out.insert(out.end(), session.app_skey.begin(), session.app_skey.end());
  put(out, session.last_high_word);
}

lorawan::Session take_session(base::BytesView& bytes) {
  lorawan::Session out;
  out.dev_addr = base::DevAddr(take<std::uint32_t>(bytes));
  out.dev_eui = base::Eui64(take<std::uint64_t>(bytes));
  out.meter = base::MeterNumber(take<std::uint32_t>(bytes));
  out.number = base::SessionNumber(take<std::uint32_t>(bytes));
  take_key(bytes, out.nwk_skey);
  take_key(bytes, out.app_skey);
  out.last_high_word = take<std::uint16_t>(bytes);
  return out;
}

// Writes the body behind the header; returns its type.
struct Encoder {
  base::Bytes& out;
  Type operator()(const SnapshotBegin&) const { return Type::kSnapshotBegin; }
  Type operator()(const SnapshotEnd&) const { return Type::kSnapshotEnd; }
  Type operator()(const SessionsPut& message) const {
    for (const auto& session : message.sessions) put_session(out, session);
    return Type::kPut;
  }
  Type operator()(const SessionsDropped& message) const {
    for (const auto& key : message.sessions) {
      put(out, key.meter.value);
      put(out, key.session.value);
    }
    return Type::kDropped;
  }
  Type operator()(const Heartbeat& message) const {
    put(out, message.current_to.time_since_epoch().count());
    return Type::kHeartbeat;
  }
};

SessionsPut decode_put(base::BytesView body) {
  SessionsPut out;
  out.sessions.reserve(body.size() / kSessionBytes);
  while (!body.empty()) out.sessions.push_back(take_session(body));
  return out;
}

SessionsDropped decode_dropped(base::BytesView body) {
  SessionsDropped out;
  while (!body.empty()) {
    const auto meter = take<std::uint32_t>(body);
    out.sessions.push_back({base::MeterNumber(meter), base::SessionNumber(take<std::uint32_t>(body))});
  }
  return out;
}

base::Result<std::optional<FeedMessage>> decode_body(std::uint8_t type, base::BytesView body) {
  switch (static_cast<Type>(type)) {
    case Type::kSnapshotBegin:
      if (body.empty()) return SnapshotBegin{};
      break;
    case Type::kSnapshotEnd:
      if (body.empty()) return SnapshotEnd{};
      break;
    case Type::kPut:
      if (body.size() % kSessionBytes == 0) return decode_put(body);
      break;
    case Type::kDropped:
      if (body.size() % kDroppedBytes == 0) return decode_dropped(body);
      break;
    case Type::kHeartbeat:
      if (body.size() == 8) return Heartbeat{base::Timestamp(base::Duration(take<std::int64_t>(body)))};
      break;
  }
  return base::fail(Errc::kCorrupt, "not a message of the session feed");
}

}  // namespace

void encode(const FeedMessage& message, base::Bytes& out) {
  const auto start = out.size();
  out.resize(start + kHeader);
  const auto type = std::visit(Encoder{out}, message);
  const auto length = static_cast<std::uint32_t>(out.size() - start - 4);
  for (std::size_t i = 0; i < 4; ++i) out[start + i] = static_cast<std::uint8_t>(length >> (8 * i));
  out[start + 4] = static_cast<std::uint8_t>(type);
}

base::Result<std::optional<FeedMessage>> decode(base::BytesView bytes, std::size_t& used) {
  used = 0;
  if (bytes.size() < 4) return std::nullopt;
  auto rest = bytes;
  const auto length = take<std::uint32_t>(rest);
  if (length > kMaxFeedFrame) return base::fail(Errc::kTooLarge, "a session feed frame of " + std::to_string(length) + " bytes");
  if (length == 0) return base::fail(Errc::kCorrupt, "an empty session feed frame");
  if (rest.size() < length) return std::nullopt;
  auto message = decode_body(rest.front(), rest.subspan(1, length - 1));
  if (message) used = 4 + std::size_t{length};
  return message;
}

}  // namespace meterhub::registry
