#include <meterhub/amqp/engine.h>

#include <gtest/gtest.h>
#include <meterhub/amqp/message.h>

#include "hex.h"
#include "pair.h"

namespace meterhub::amqp {
namespace {

using base::as_bytes;
using base::as_text;
using base::Bytes;

LinkId attach_sender(Pair& pair, std::string_view target = "/devices/d/messages/events") {
  const SessionId session = pair.to_server.begin();
  return pair.to_server.attach(session, {.name = "s", .target = target}).value();
}

// A transfer as another client may send it: of `bytes` times 'x', with the tag 1 when it has an id.
void append_transfer(Bytes& frames, bool more, std::optional<DeliveryId> id, std::size_t bytes) {
  Transfer t;
  const std::uint8_t tag[] = {1};
  t.delivery_id = id;
  if (id) t.delivery_tag = tag;
  t.more = more;
  Bytes frame(8);
  encode(frame, t);
  frame.insert(frame.end(), bytes, 'x');
  frame[2] = static_cast<std::uint8_t>(frame.size() >> 8);
  frame[3] = static_cast<std::uint8_t>(frame.size());
  frame[4] = 2;
  frames.insert(frames.end(), frame.begin(), frame.end());
}

TEST(Connection, CarriesMessagesWhateverTheCutOfTheStream) {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    Options client = Pair::client();
    client.sasl = seed % 2 == 0;
    Pair pair(client, {}, seed);
    const LinkId link = attach_sender(pair);
    pair.run();
    ASSERT_EQ(pair.to_server.sendable(link), 100u);
    std::vector<std::string> sent;
    for (int i = 0; i < 1000; ++i) {
      if (pair.to_server.sendable(link) == 0) pair.run();
      sent.push_back(std::string(pair.random() % 2000, static_cast<char>('a' + i % 26)) + std::to_string(i));
      ASSERT_TRUE(pair.to_server.send(link, as_bytes(sent.back()), {}));
    }
    pair.run();
    ASSERT_EQ(pair.at_server.messages.size(), sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i) ASSERT_EQ(pair.at_server.messages[i].payload, sent[i]);
    std::uint32_t settled = 0;
    for (const auto& verdict : pair.at_client.verdicts) settled += verdict.last - verdict.first + 1;
    EXPECT_EQ(settled, sent.size());
    EXPECT_EQ(pair.to_server.unsettled(link), 0u);
  }
}

TEST(Connection, SplitsLargeMessagesAndJoinsThem) {
  Options small;
  small.limits.max_frame_size = 512;
  Pair pair(Pair::client(), small);
  const LinkId link = attach_sender(pair);
  pair.run();
  const std::string head(1000, 'h');
  const std::string body(200'000, 'b');
  ASSERT_TRUE(pair.to_server.send(link, as_bytes(head), as_bytes(body), {.message_format = kBatchFormat}));
  pair.run();
  ASSERT_EQ(pair.at_server.messages.size(), 1u);
  EXPECT_EQ(pair.at_server.messages[0].payload, head + body);
  EXPECT_EQ(pair.at_server.messages[0].format, kBatchFormat);
  EXPECT_GT(pair.to_client.statistics().transfers_in, 400u);
}

TEST(Connection, HoldsTransfersBackUntilTheSessionWindowOpens) {
  Options server;
  server.limits.max_frame_size = 512;
  server.session_window = 4;
  Pair pair(Pair::client(), server);
  const LinkId link = attach_sender(pair);
  pair.run();
  const std::string body(20'000, 'x');
  ASSERT_TRUE(pair.to_server.send(link, {}, as_bytes(body)));
  EXPECT_EQ(pair.to_server.sendable(link), 0u);
  pair.run();
  ASSERT_EQ(pair.at_server.messages.size(), 1u);
  EXPECT_EQ(pair.at_server.messages[0].payload, body);
  EXPECT_FALSE(pair.at_server.count("ended"));
  EXPECT_GT(pair.to_server.sendable(link), 0u);
}

TEST(Connection, SettlesNeighboursInOneDisposition) {
  Pair pair;
  pair.at_server.settles = false;
  const LinkId link = attach_sender(pair);
  pair.run();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(pair.to_server.send(link, as_bytes("x"), {}));
  pair.run();
  const auto frames = pair.to_client.statistics().frames_out;
  const SessionId session = pair.at_server.messages[0].session;
  for (DeliveryId id = 0; id < 40; ++id) pair.to_client.settle(session, id, id, Outcome::kAccepted);
  pair.to_client.settle(session, 40, 1000, Outcome::kRejected, {"com.microsoft:server-busy", "later"});
  pair.run();
  EXPECT_EQ(pair.to_client.statistics().frames_out, frames + 3);  // two dispositions, one flow
  ASSERT_EQ(pair.at_client.verdicts.size(), 2u);
  EXPECT_EQ(pair.at_client.verdicts[0].last, 39u);
  EXPECT_EQ(pair.at_client.verdicts[1].first, 40u);
  EXPECT_EQ(pair.at_client.verdicts[1].last, 49u);
  EXPECT_EQ(pair.at_client.verdicts[1].condition, "com.microsoft:server-busy");
}

TEST(Connection, AReplyDoesNotOvertakeTheSettlementOfItsRequest) {
  Pair pair;
  pair.at_server.settles = false;
  const LinkId requests = attach_sender(pair);
  pair.run();
  const auto replies =
      pair.to_server.attach(pair.at_client.sessions[0], {.name = "r", .receiver = true, .source = "$management"});
  ASSERT_TRUE(replies);
  pair.run();
  pair.to_server.set_window(*replies, 10);
  ASSERT_TRUE(pair.to_server.send(requests, as_bytes("request"), {}));
  pair.run();
  const auto& request = pair.at_server.messages.at(0);
  pair.at_client.events.clear();
  pair.to_client.settle(request.session, request.id, request.id, Outcome::kAccepted);
  ASSERT_TRUE(pair.to_client.send(pair.at_server.links.at(1), as_bytes("reply"), {}, {.settled = true}));
  pair.run();
  EXPECT_EQ(pair.at_client.events, (std::vector<std::string>{"verdict", "delivery"}));
}

TEST(Connection, NeverLetsMoreThanTheWindowBeUnderWay) {
  Pair pair;
  pair.at_server.settles = false;
  pair.at_server.window = 10;
  const LinkId link = attach_sender(pair);
  pair.run();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(pair.to_server.send(link, as_bytes("x"), {}));
  pair.run();
  EXPECT_EQ(pair.to_server.sendable(link), 0u);
  EXPECT_FALSE(pair.to_server.send(link, as_bytes("x"), {}));
  const SessionId session = pair.at_server.messages[0].session;
  pair.to_client.settle(session, 0, 5, Outcome::kAccepted);
  pair.run();
  EXPECT_EQ(pair.to_server.sendable(link), 6u);
  pair.to_client.set_window(pair.at_server.links[0], 0);
  pair.run();
  EXPECT_EQ(pair.to_server.sendable(link), 0u);
  pair.to_client.set_window(pair.at_server.links[0], 10);
  pair.run();
  EXPECT_EQ(pair.to_server.sendable(link), 6u);
}

TEST(Connection, RejectsAnOversizedMessageAndGoesOn) {
  Pair pair;
  pair.at_server.max_message_size = 1000;
  Options lying = Pair::client();
  const LinkId link = attach_sender(pair);
  pair.run();
  const std::string big(100'000, 'x');
  EXPECT_EQ(pair.to_server.send(link, {}, as_bytes(big)).error().code, base::Errc::kTooLarge);
  // A peer that ignores the limit, as the device SDK does: see the transfers below.
  Bytes frames;
  append_transfer(frames, true, 0, 900);
  append_transfer(frames, true, std::nullopt, 900);
  append_transfer(frames, false, std::nullopt, 900);
  append_transfer(frames, false, 1, 10);
  pair.to_client.feed(frames, pair.now);
  EXPECT_EQ(pair.at_server.oversized, std::vector<std::uint64_t>{2700});
  ASSERT_EQ(pair.at_server.messages.size(), 1u);
  EXPECT_EQ(pair.at_server.messages[0].payload, "xxxxxxxxxx");
  EXPECT_EQ(pair.to_client.statistics().oversized, 1u);
  EXPECT_NE(as_text(pair.to_client.output()).find("amqp:link:message-size-exceeded"), std::string::npos);
}

TEST(Connection, NamesADeliveryAsItsSenderWants) {
  Pair pair;
  const LinkId link = attach_sender(pair);
  pair.run();
  ASSERT_TRUE(pair.to_server.send(link, {}, as_bytes("named"), {.tag = as_bytes("sixteen bytes...")}));
  ASSERT_TRUE(pair.to_server.send(link, {}, as_bytes("not named")));
  pair.run();
  ASSERT_EQ(pair.at_server.messages.size(), 2u);
  EXPECT_EQ(pair.at_server.messages[0].tag, "sixteen bytes...");
  EXPECT_EQ(pair.at_server.messages[1].tag.size(), 4u);
}

TEST(Connection, KeepsTheTagOfADeliveryWhoseFirstTransferIsEmpty) {
  for (const int pieces : {1, 2}) {
    Pair pair;
    attach_sender(pair);
    pair.run();
    Bytes frames;
    append_transfer(frames, true, 0, 0);
    for (int i = 1; i <= pieces; ++i) append_transfer(frames, i < pieces, std::nullopt, 5);
    pair.to_client.feed(frames, pair.now);
    ASSERT_EQ(pair.at_server.messages.size(), 1u);
    EXPECT_EQ(pair.at_server.messages[0].tag, "\1");
    EXPECT_EQ(pair.at_server.messages[0].payload.size(), 5u * static_cast<unsigned>(pieces));
  }
}

TEST(Connection, RefusesALinkByAnsweringAndDetaching) {
  Pair pair;
  pair.at_server.accepts = false;
  attach_sender(pair);
  pair.run();
  EXPECT_TRUE(pair.at_client.count("detached"));
  EXPECT_EQ(pair.at_client.last_error, "amqp:not-found");
  EXPECT_EQ(pair.at_client.links.size(), 1u);  // it was answered first
}

TEST(Connection, PassesFiltersCapabilitiesAndAddresses) {
  Pair pair;
  Bytes filter;
  Writer w(filter);
  w.begin_map();
  w.symbol("apache.org:selector-filter:string");
  w.descriptor(0x468c00000004);
  w.string("amqp.annotation.x-opt-offset > '@latest'");
  w.end();
  Bytes capabilities;
  const std::string_view wanted[] = {"com.microsoft:georeplication", "com.microsoft:enable-receiver-runtime-metric"};
  Writer(capabilities).array_of_symbols(wanted);
  const SessionId session = pair.to_server.begin();
  const auto link = pair.to_server.attach(session, {.name = "r",
                                                    .receiver = true,
                                                    .source = "hub/Partitions/1",
                                                    .filter = *Value::parse(filter),
                                                    .desired_capabilities = *Value::parse(capabilities)});
  ASSERT_TRUE(link);
  pair.to_server.set_window(*link, 10);
  pair.run();
  EXPECT_EQ(pair.at_server.last_address, "hub/Partitions/1");
  EXPECT_EQ(pair.at_server.last_filter, "amqp.annotation.x-opt-offset > '@latest'");
  EXPECT_TRUE(pair.at_server.last_wants_metrics);
  EXPECT_EQ(pair.at_client.last_filter, pair.at_server.last_filter);  // echoed
  const LinkId out = pair.at_server.links[0];
  EXPECT_EQ(pair.to_client.sendable(out), 10u);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(pair.to_client.send(out, as_bytes("h"), as_bytes("b")));
  pair.run();
  ASSERT_EQ(pair.at_client.messages.size(), 3u);
  EXPECT_EQ(pair.at_client.messages[2].payload, "hb");
  ASSERT_EQ(pair.at_server.verdicts.size(), 1u);
  EXPECT_EQ(pair.at_server.verdicts[0].last, 2u);
}

TEST(Connection, TakesAPeerThatPipelinesEverything) {
  // open, begin, attach and the first transfer in one piece, before any answer.
  Bytes bytes = hex("41 4d 51 50 00 01 00 00");
  const auto frame = [&](const auto& fields, std::string_view payload = "") {
    Bytes f(8);
    encode(f, fields);
    f.insert(f.end(), payload.begin(), payload.end());
    f[3] = static_cast<std::uint8_t>(f.size());
    f[4] = 2;
    bytes.insert(bytes.end(), f.begin(), f.end());
  };
  frame(Open{.container_id = "fast"});
  frame(Begin{.incoming_window = 10, .outgoing_window = 10});
  Bytes target;
  encode(target, Target{});
  frame(Attach{.name = "l", .target = *Value::parse(target), .initial_delivery_count = 0});
  const std::uint8_t tag[] = {1};
  Transfer transfer;
  transfer.delivery_id = 0;
  transfer.delivery_tag = tag;
  frame(transfer, "first");
  Recorder recorder;
  Connection server({}, recorder, {});
  recorder.connection = &server;
  server.feed(bytes, {});
  ASSERT_EQ(recorder.messages.size(), 1u);
  EXPECT_EQ(recorder.messages[0].payload, "first");
  EXPECT_FALSE(server.finished());
}

// uAMQP does: what it sends too much waits unread, and comes in its order when there is credit.
TEST(Connection, HoldsWhatComesBeyondItsCreditUntilThereIsSome) {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    Pair pair(Pair::client(), {}, seed);
    pair.at_server.window = 2;
    pair.at_server.settles = false;
    attach_sender(pair);
    pair.run();
    Bytes frames;
    for (DeliveryId id = 0; id < 5; ++id) append_transfer(frames, false, id, 100 + id);
    while (!frames.empty()) {
      const auto part = std::min<std::size_t>(frames.size(), 1 + pair.random() % 400);
      pair.to_client.feed(base::BytesView(frames).first(part), pair.now);
      frames.erase(frames.begin(), frames.begin() + static_cast<std::ptrdiff_t>(part));
    }
    for (DeliveryId id = 0; id < 5; id += 2) {
      ASSERT_EQ(pair.at_server.messages.size(), std::min(id + 2, 5u));
      EXPECT_EQ(pair.to_client.input_held(), id + 2 < 5);
      EXPECT_FALSE(pair.to_client.input_ready());
      pair.to_client.settle(pair.at_server.messages[0].session, id, id + 1, Outcome::kAccepted);
      pair.to_client.output();
      EXPECT_EQ(pair.to_client.input_ready(), id + 2 < 5);
      pair.to_client.feed({}, pair.now);
    }
    for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(pair.at_server.messages[i].payload.size(), 100 + i);
    EXPECT_TRUE(pair.at_server.last_error.empty()) << pair.at_server.last_error;
    EXPECT_EQ(pair.to_client.statistics().transfers_in, 5u);
  }
}

TEST(Connection, HeldInputGoesOnWhenItsLinkHasGone) {
  Pair pair;
  pair.at_server.window = 0;
  attach_sender(pair);
  pair.run();
  Bytes frames;
  append_transfer(frames, false, 0, 10);
  pair.to_client.feed(frames, pair.now);
  pair.to_server.close();
  pair.run();
  EXPECT_TRUE(pair.to_client.input_held());
  EXPECT_FALSE(pair.to_client.finished());
  pair.to_client.detach(pair.at_server.links[0], {"amqp:unauthorized-access", "expired"});
  EXPECT_TRUE(pair.to_client.input_ready());
  pair.to_client.feed({}, pair.now);
  pair.run();
  EXPECT_TRUE(pair.at_server.messages.empty());
  EXPECT_TRUE(pair.at_server.count("closed by peer"));
}

TEST(Connection, MirrorsDetachEndAndClose) {
  Pair pair;
  const LinkId link = attach_sender(pair);
  pair.run();
  pair.to_server.detach(link);
  pair.run();
  EXPECT_TRUE(pair.at_server.count("detached"));
  EXPECT_FALSE(pair.at_client.count("detached"));
  pair.to_server.end(pair.at_client.sessions[0]);
  pair.run();
  EXPECT_TRUE(pair.at_server.count("ended"));
  pair.to_server.close();
  pair.run();
  EXPECT_TRUE(pair.at_server.count("closed by peer"));
  EXPECT_TRUE(pair.at_client.count("closed"));
  EXPECT_TRUE(pair.to_server.finished());
  EXPECT_TRUE(pair.to_client.finished());
}

TEST(Connection, EndsASessionWithItsLinks) {
  Pair pair;
  attach_sender(pair);
  pair.run();
  pair.to_client.end(pair.at_server.sessions[0], {"amqp:link:detach-forced", "shutting down"});
  pair.run();
  EXPECT_TRUE(pair.at_client.count("detached"));
  EXPECT_TRUE(pair.at_client.count("ended"));
  EXPECT_EQ(pair.at_client.last_error, "amqp:link:detach-forced");
  attach_sender(pair);  // a new session on the same connection
  pair.run();
  EXPECT_EQ(pair.at_client.links.size(), 2u);
}

// As rhea does: it settles what its application took after it has ended the session.
TEST(Connection, PassesOverWhatComesLateOfASessionThatHasEnded) {
  Pair pair;
  const auto session = pair.to_server.begin();
  pair.run();
  pair.to_server.end(session);
  pair.run();
  const auto late = [&](std::uint16_t channel, const auto& fields) {
    base::Bytes frame{0, 0, 0, 0, 2, 0, 0, static_cast<std::uint8_t>(channel)};
    encode(frame, fields);
    frame[3] = static_cast<std::uint8_t>(frame.size());
    pair.to_client.feed(frame, pair.now);
  };
  late(0, Disposition{.receiver = true, .first = 0, .last = 7, .settled = true});
  late(0, Flow{.incoming_window = 100, .next_outgoing_id = 0, .outgoing_window = 100});
  late(0, Detach{.handle = 0, .closed = true});
  EXPECT_EQ(pair.to_client.statistics().late_frames, 3u);
  EXPECT_FALSE(pair.at_server.count("closed"));
  // The channel can be used again, and what was late is not kept for it.
  pair.to_server.begin();
  pair.run();
  EXPECT_EQ(pair.at_server.sessions.size(), 2u);
  EXPECT_FALSE(pair.at_server.count("closed"));
  // A channel that never had a session, and a message that would be lost, are errors.
  late(1, Disposition{.receiver = true, .first = 0, .settled = true});
  EXPECT_TRUE(pair.at_server.count("closed"));
  EXPECT_EQ(pair.at_server.last_error, "amqp:connection:framing-error");
}

TEST(Connection, ATransferOfASessionThatHasEndedIsAnError) {
  Pair pair;
  const auto session = pair.to_server.begin();
  pair.run();
  pair.to_server.end(session);
  pair.run();
  base::Bytes frame{0, 0, 0, 0, 2, 0, 0, 0};
  encode(frame, Transfer{.handle = 0, .delivery_id = 0});
  frame[3] = static_cast<std::uint8_t>(frame.size());
  pair.to_client.feed(frame, pair.now);
  EXPECT_TRUE(pair.at_server.count("closed"));
}

TEST(Connection, SettlingWhatIsGoneDoesNothing) {
  Pair pair;
  pair.at_server.settles = false;
  const LinkId link = attach_sender(pair);
  pair.run();
  ASSERT_TRUE(pair.to_server.send(link, as_bytes("x"), {}));
  pair.run();
  const SessionId session = pair.at_server.messages[0].session;
  pair.to_server.end(pair.at_client.sessions[0]);
  pair.run();
  pair.to_client.settle(session, 0, 0, Outcome::kAccepted);
  pair.to_client.set_window(pair.at_server.links[0], 50);
  pair.to_client.detach(pair.at_server.links[0]);
  pair.run();
  EXPECT_TRUE(pair.at_client.verdicts.empty());
  EXPECT_FALSE(pair.to_client.finished());
}

TEST(Connection, GivesBackCreditWhenDrained) {
  Pair pair;
  const LinkId link = attach_sender(pair);
  pair.run();
  Flow drain;
  drain.next_incoming_id = 0;
  drain.incoming_window = 100;
  drain.handle = 0;
  drain.delivery_count = 0;
  drain.link_credit = 100;
  drain.drain = true;
  Bytes frame(8);
  encode(frame, drain);
  frame[3] = static_cast<std::uint8_t>(frame.size());
  frame[4] = 2;
  pair.to_server.feed(frame, pair.now);
  EXPECT_EQ(pair.to_server.sendable(link), 0u);
}

TEST(Sasl, LetsPlainPassOnlyWithTheRightPassword) {
  for (const std::string_view password : {"right", "wrong"}) {
    Recorder recorder;
    Connection server({}, recorder, {});
    recorder.connection = &server;
    Bytes bytes = hex("41 4d 51 50 03 01 00 00");
    const std::string response = std::string("\0user\0", 6) + std::string(password);
    Bytes f(8);
    encode(f, SaslInit{.mechanism = {"PLAIN"}, .initial_response = as_bytes(response)});
    f[3] = static_cast<std::uint8_t>(f.size());
    f[4] = 2;
    f[5] = 1;
    bytes.insert(bytes.end(), f.begin(), f.end());
    server.feed(bytes, {});
    EXPECT_TRUE(recorder.count("sasl user " + std::string(password)));
    EXPECT_EQ(server.finished(), password == "wrong");
    EXPECT_NE(as_text(server.output()).find("MSSBCBS"), std::string::npos);
  }
}

TEST(Time, SendsHeartbeatsAtHalfOfThePeersTimeout) {
  Options client = Pair::client();
  client.idle_timeout = std::chrono::seconds(60);
  Pair pair(client);
  pair.run();
  EXPECT_EQ(pair.to_client.next_deadline(), pair.now + std::chrono::seconds(30));
  pair.now += std::chrono::seconds(30);
  pair.to_client.tick(pair.now);
  const auto heartbeat = pair.to_client.output();
  EXPECT_EQ(Bytes(heartbeat.begin(), heartbeat.end()), hex("00 00 00 08 02 00 00 00"));
}

TEST(Time, EndsAConnectionThatFellSilent) {
  Pair pair;
  pair.run();
  pair.now += std::chrono::minutes(8);
  pair.to_client.tick(pair.now);
  EXPECT_TRUE(pair.to_client.finished());
  EXPECT_EQ(pair.at_server.last_error, "amqp:resource-limit-exceeded");
}

TEST(Time, EndsAConnectionThatNeverOpens) {
  Recorder recorder;
  Connection server({}, recorder, {});
  recorder.connection = &server;
  server.feed(hex("41 4d 51 50 00 01 00 00"), base::MonotonicTime(std::chrono::seconds(19)));
  EXPECT_EQ(server.next_deadline(), base::MonotonicTime(std::chrono::seconds(20)));
  server.tick(base::MonotonicTime(std::chrono::seconds(20)));
  EXPECT_TRUE(server.finished());
}

TEST(Limits, EndASessionWithTooManyLinks) {
  Options server;
  server.limits.links_per_session = 2;
  Pair pair(Pair::client(), server);
  const SessionId session = pair.to_server.begin();
  pair.run();
  EXPECT_TRUE(pair.to_server.attach(session, {.name = "a", .target = "t"}));
  EXPECT_TRUE(pair.to_server.attach(session, {.name = "b", .target = "t"}));
  EXPECT_FALSE(pair.to_server.attach(session, {.name = "c", .target = "t"}));  // the server's handle-max
  pair.run();
  EXPECT_EQ(pair.at_server.links.size(), 2u);
}

TEST(Limits, EndAConnectionWhoseLinkHasAnEndlessName) {
  for (const std::size_t size : {4000, 5000}) {
    Pair pair;
    const SessionId session = pair.to_server.begin();
    pair.run();
    EXPECT_TRUE(pair.to_server.attach(session, {.name = std::string(size, 'n'), .target = "t"}));
    pair.run();
    EXPECT_EQ(pair.at_server.links.size(), size == 4000 ? 1u : 0u);
    EXPECT_EQ(pair.at_server.last_error, size == 4000 ? "" : "amqp:resource-limit-exceeded");
  }
}

TEST(Limits, RefuseALinkToAnEndlessAddress) {
  Pair pair;
  const SessionId session = pair.to_server.begin();
  pair.run();
  EXPECT_TRUE(pair.to_server.attach(session, {.name = "a", .target = std::string(5000, 't')}));
  EXPECT_TRUE(pair.to_server.attach(session, {.name = "b", .target = "t"}));
  pair.run();
  EXPECT_EQ(pair.at_server.links.size(), 1u);
  EXPECT_EQ(pair.at_client.last_error, "amqp:resource-limit-exceeded");
  EXPECT_FALSE(pair.to_server.finished());
}

TEST(Limits, EndAConnectionOfWhichTooMuchIsHeld) {
  Options server;
  server.limits.held_bytes = 5'000;
  Pair pair(Pair::client(), server);
  pair.at_server.window = 1;
  attach_sender(pair);
  pair.run();
  Bytes frames;
  append_transfer(frames, false, 0, 10);
  for (DeliveryId id = 1; id < 5; ++id) append_transfer(frames, false, id, 1'000);
  pair.to_client.feed(frames, pair.now);
  EXPECT_FALSE(pair.to_client.finished());
  frames.clear();
  append_transfer(frames, false, 5, 1'000);
  pair.to_client.feed(frames, pair.now);
  EXPECT_TRUE(pair.to_client.finished());
  EXPECT_EQ(pair.at_server.last_error, "amqp:resource-limit-exceeded");
}

TEST(Limits, RefuseFramesOverTheMaximumBeforeTheyArrive) {
  Pair pair;
  pair.run();
  pair.to_client.feed(hex("00 01 00 01"), pair.now);
  EXPECT_TRUE(pair.to_client.finished());
  EXPECT_EQ(pair.at_server.last_error, "amqp:connection:framing-error");
  pair.run();
  EXPECT_TRUE(pair.at_client.count("closed by peer"));
}

TEST(Limits, AnswerAnotherProtocolWithOurs) {
  Recorder recorder;
  Connection server({}, recorder, {});
  recorder.connection = &server;
  server.feed(as_bytes("GET / HTTP/1.1\r\n"), {});
  EXPECT_TRUE(server.finished());
  const auto answer = server.output();
  EXPECT_EQ(Bytes(answer.begin(), answer.end()), hex("41 4d 51 50 00 01 00 00"));
}

}  // namespace
}  // namespace meterhub::amqp
