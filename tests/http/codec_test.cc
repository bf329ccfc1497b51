#include "codec.h"

#include <gtest/gtest.h>

namespace meterhub::http {
namespace {

constexpr std::string_view kPost = "POST /a?b=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";

TEST(RequestParser, ReadsARequestInAnyCut) {
  for (std::size_t cut = 0; cut <= kPost.size(); ++cut) {
    RequestParser parser(1024, 1024);
    std::string pending(kPost.substr(0, cut));
    pending.erase(0, *parser.feed(pending));
    pending += kPost.substr(cut);
    ASSERT_EQ(parser.feed(pending), pending.size()) << cut;
    ASSERT_TRUE(parser.done());
    const auto request = parser.take();
    EXPECT_EQ(request.method, Method::kPost);
    EXPECT_EQ(request.target, "/a?b=1");
    EXPECT_EQ(request.body, "hello");
  }
}

// As a connection brings it: what the parser leaves comes again, with more behind it.
template <class Parser>
void feed_in_pieces(Parser& parser, std::string_view stream, std::size_t cut, std::size_t piece) {
  std::string pending(stream.substr(0, cut));
  pending.erase(0, *parser.feed(pending));
  for (auto at = cut; at < stream.size(); at += piece) {
    pending += stream.substr(at, piece);
    const auto used = parser.feed(pending);
    ASSERT_TRUE(used) << cut << " " << used.error().text;
    pending.erase(0, *used);
  }
  ASSERT_TRUE(parser.done()) << cut;
  ASSERT_EQ(pending, "");
}

TEST(RequestParser, ReadsTheTrailerBehindALastChunkInAnyCut) {
  for (const std::string_view body : {"0\r\nT: 1\r\n\r\n", "000\r\nT: 1\r\n\r\n", "2\r\n00\r\n0\r\nT: 1\r\n\r\n", "1\r\n0\r\n0\r\n\r\n"}) {
    const auto stream = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(body);
    const auto answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(body);
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
      RequestParser request(1024, 1024);
      feed_in_pieces(request, stream, cut, 1);
      ResponseParser response(false);
      feed_in_pieces(response, answer, std::min(cut, answer.size()), 1);
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << body;
      EXPECT_EQ(request.take().body, response.take().body);
    }
  }
}

TEST(RequestParser, LeavesTheNextRequestAlone) {
  RequestParser parser(1024, 1024);
  EXPECT_EQ(parser.feed(std::string(kPost) + std::string(kPost)), kPost.size());
}

TEST(RequestParser, LimitsHeaderAndBody) {
  RequestParser header(100, 1024);
  EXPECT_EQ(header.feed("GET / HTTP/1.1\r\nX: " + std::string(200, 'x')).error().code, base::Errc::kTooLarge);
  RequestParser body(1024, 4);
  EXPECT_EQ(body.feed(kPost).error().code, base::Errc::kTooLarge);
  RequestParser chunked(1024, 4);
  EXPECT_EQ(chunked.feed("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").error().code,
            base::Errc::kTooLarge);
}

TEST(RequestParser, RefusesGarbage) {
  RequestParser parser(1024, 1024);
  EXPECT_EQ(parser.feed("\x16\x03\x01 not http\r\n\r\n").error().code, base::Errc::kInvalidArgument);
}

TEST(WriteResponse, GivesLengthAndBody) {
  const auto text = write_response(Response::text(200, "hi"), {});
  EXPECT_TRUE(text.starts_with("HTTP/1.1 200 OK\r\n")) << text;
  EXPECT_TRUE(text.ends_with("Content-Length: 2\r\n\r\nhi")) << text;
  EXPECT_TRUE(write_response(Response::text(200, "hi"), {.head = true}).ends_with("Content-Length: 2\r\n\r\n"));
  EXPECT_EQ(write_response(Response::empty(204), {}).find("Content-Length"), std::string::npos);
}

TEST(WriteResponse, AStreamBeginsWithItsHeadOnly) {
  const auto text = write_response(Response::text(200, ""), {.chunked = true});
  EXPECT_TRUE(text.ends_with("Transfer-Encoding: chunked\r\n\r\n")) << text;
  EXPECT_EQ(write_chunk("0123456789abcdef"), "10\r\n0123456789abcdef\r\n");
}

// Beast makes room for what the head says.
TEST(ResponseParser, RefusesALengthThatNoAnswerHas) {
  for (const std::string_view length : {"1073741825", "3445173344760943107"}) {
    const auto answer = "HTTP/1.1 200 OK\r\nContent-Length: " + std::string(length) + "\r\n\r\nbc";
    ResponseParser whole(false);
    EXPECT_EQ(whole.feed(answer).error().code, base::Errc::kTooLarge);
    ResponseParser head(false);
    EXPECT_EQ(head.feed(std::string_view(answer).substr(0, answer.size() - 2)).error().code, base::Errc::kTooLarge);
  }
  ResponseParser large(false);
  EXPECT_TRUE(large.feed("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\nbc"));
}

TEST(ResponseParser, ReadsChunksAsTheyCome) {
  ResponseParser parser(false);
  std::string pending = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
  pending.erase(0, *parser.feed(pending));
  EXPECT_EQ(parser.take_body(), "abc");
  EXPECT_FALSE(parser.done());
  pending += "1\r\nd\r\n0\r\n\r\n";
  EXPECT_EQ(parser.feed(pending), pending.size());
  EXPECT_EQ(parser.take_body(), "d");
  EXPECT_TRUE(parser.done());
}

TEST(ResponseParser, AnEndBeforeAnythingIsAnError) {
  ResponseParser parser(false);
  const auto end = parser.end();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, base::Errc::kUnavailable);
}

TEST(ResponseParser, TakesAnAnswerCutInTwoAnywhere) {
  const auto text = write_response(Response::json(200, "{}"), {});
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    ResponseParser parser(false);
    const auto used = parser.feed(std::string_view(text).substr(0, cut));
    ASSERT_TRUE(used) << cut;
    ASSERT_TRUE(parser.feed(std::string_view(text).substr(*used))) << cut;
    EXPECT_TRUE(parser.done()) << cut;
  }
}

}  // namespace
}  // namespace meterhub::http
