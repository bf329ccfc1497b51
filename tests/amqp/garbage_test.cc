// Foreign bytes of every kind: the engine answers with an error or goes on, and its
// memory stays within its limits. Run under the sanitizers by ./test --all.
#include <gtest/gtest.h>
#include <meterhub/amqp/message.h>

#include "pair.h"

namespace meterhub::amqp {
namespace {

// What a client says in an ordinary session, as one stream.
base::Bytes session_of_a_client(bool sasl) {
  Options options = Pair::client();
  options.sasl = sasl;
  Pair pair(options);
  base::Bytes stream;
  const auto carry = [&] {
    const auto said = pair.to_server.output();
    stream.insert(stream.end(), said.begin(), said.end());
    const base::Bytes copy(said.begin(), said.end());
    pair.to_server.consumed(copy.size());
    pair.to_client.feed(copy, pair.now);
    const auto answer = pair.to_client.output();
    const base::Bytes back(answer.begin(), answer.end());
    pair.to_client.consumed(back.size());
    pair.to_server.feed(back, pair.now);
  };
  const SessionId session = pair.to_server.begin();
  const LinkId link = pair.to_server.attach(session, {.name = "s", .target = "t"}).value();
  for (int i = 0; i < 5; ++i) carry();
  base::Bytes message;
  MessageWriter w(message);
  w.begin_application_properties();
  w.writer().string("k");
  w.writer().int32(1);
  w.end();
  w.data(base::as_bytes("body"));
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(pair.to_server.send(link, message, {}));
  carry();
  pair.to_server.detach(link);
  pair.to_server.end(session);
  pair.to_server.close();
  carry();
  return stream;
}

class ParsingListener : public Recorder {
 public:
  void on_delivery(const Delivery& d) override {
    if (auto batch = Events::of(d.payload, d.message_format)) {
      while (const auto event = batch->next()) {
        if (const auto message = amqp::Message::parse(*event)) static_cast<void>(message->properties());
      }
    }
    connection->settle(d.session, d.id, d.id, Outcome::kRejected, {"amqp:not-allowed", "no"});
  }
};

void feed_in_pieces(const base::Bytes& stream, std::mt19937& random) {
  ParsingListener listener;
  Connection server({}, listener, {});
  listener.connection = &server;
  base::BytesView rest = stream;
  while (!rest.empty()) {
    const std::size_t part = std::min<std::size_t>(rest.size(), 1 + random() % 300);
    server.feed(rest.first(part), {});
    rest = rest.subspan(part);
    server.consumed(server.output().size());
  }
  EXPECT_LE(listener.messages.size(), 1000u);
}

TEST(Garbage, ChangedBytesNeverBreakTheEngine) {
  const base::Bytes streams[] = {session_of_a_client(false), session_of_a_client(true)};
  for (unsigned seed = 1; seed <= 4000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    base::Bytes stream = streams[seed % 2];
    const unsigned changes = 1 + random() % 8;
    for (unsigned i = 0; i < changes; ++i) {
      const std::size_t at = random() % stream.size();
      const auto begin = stream.begin() + static_cast<std::ptrdiff_t>(at);
      switch (random() % 4) {
        case 0: stream[at] = static_cast<std::uint8_t>(random()); break;
        case 1: stream[at] ^= static_cast<std::uint8_t>(1u << (random() % 8)); break;
        case 2: stream.erase(begin); break;
        default: stream.insert(begin, static_cast<std::uint8_t>(random()));
      }
    }
    feed_in_pieces(stream, random);
  }
}

TEST(Garbage, FramesPutInAnyOrderNeverBreakTheEngine) {
  const base::Bytes stream = session_of_a_client(false);
  std::vector<base::Bytes> frames;
  for (std::size_t at = 8; at + 8 <= stream.size();) {
    const std::size_t size = std::size_t{stream[at + 2]} << 8 | stream[at + 3];
    frames.emplace_back(stream.begin() + static_cast<std::ptrdiff_t>(at),
                        stream.begin() + static_cast<std::ptrdiff_t>(at + size));
    at += size;
  }
  ASSERT_GT(frames.size(), 8u);
  for (unsigned seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    base::Bytes shuffled(stream.begin(), stream.begin() + 8);
    shuffled.insert(shuffled.end(), frames[0].begin(), frames[0].end());  // open, so that there is a chance
    for (int i = 0; i < 40; ++i) {
      const auto& frame = frames[random() % frames.size()];
      shuffled.insert(shuffled.end(), frame.begin(), frame.end());
    }
    feed_in_pieces(shuffled, random);
  }
}

TEST(Garbage, RandomValuesAreReadOrRefused) {
  std::mt19937 random(7);
  for (int i = 0; i < 200'000; ++i) {
    base::Bytes bytes(random() % 40);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() % 3 == 0 ? random() : 0x40 + random() % 8);
    if (const auto value = Value::parse(bytes)) {
      base::Bytes again;
      value->append_to(again);
      ASSERT_EQ(again, bytes);
      Items items = value->items();
      while (items.next()) {
      }
    }
  }
}

}  // namespace
}  // namespace meterhub::amqp
