#include <meterhub/meter/document.h>

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace meterhub::meter {
namespace {

constexpr std::string_view kOrigin =
    R"({"gw":null,"mote":null,"app":{"moteeui":"ffffffffff000001","dir":"up","userdata":{"seqno":7,"port":1,"payload":"AgEA"},)"
    R"("motetx":{"freq":481.5,"modu":"LORA","datr":"SF12BW125","codr":"4/5","adr":false},)"
    R"("gwrx":[{"eui":"fffe020100000011","time":"2016-12-21T03:24:34Z","timefromgateway":false,"chan":4,"rfch":0,"rssi":-13,"lsnr":9},)"
    R"({"eui":"fffe020100000012","time":"2016-12-21T03:24:34Z","timefromgateway":false,"chan":4,"rfch":0,"rssi":null,"lsnr":-7.5}]}})";
constexpr std::string_view kUser =
    R"({"type":2,"code":1,"bought":1000.0,"left":979.171,"used":20.829,"status":4,"version":"v1.0","time":"2016-12-21T03:24:34Z"})";

std::string document_of(std::string_view origin, std::string_view user) {
  return "{\"originData\":" + std::string(origin) + ",\"userData\":" + std::string(user) + "}";
}

void expect_values(const Document& document) {
  EXPECT_EQ(document.port, 1);
  EXPECT_EQ(document.payload, "AgEA");
  ASSERT_EQ(document.receptions.size(), 2u);
  EXPECT_EQ(document.receptions[0].gateway, "fffe020100000011");
  EXPECT_EQ(document.receptions[1].gateway, "fffe020100000012");
  EXPECT_EQ(document.best_rssi(), -13);
  EXPECT_EQ(document.best_snr(), 9);
  EXPECT_EQ(document.receptions[1].rssi, std::nullopt);
  EXPECT_EQ(document.receptions[1].snr, -7.5);
  EXPECT_TRUE(document.decoded);
  EXPECT_EQ(document.type, 2);
  EXPECT_EQ(document.code, 1);
  EXPECT_EQ(document.bought, 1'000'000);
  EXPECT_EQ(document.left, 979'171);
  EXPECT_EQ(document.used, 20'829);
  EXPECT_EQ(document.status, 4);
  EXPECT_EQ(document.version, "v1.0");
  EXPECT_EQ(document.time, "2016-12-21T03:24:34Z");
}

// An escape makes the whole document the parser's.
std::string with_an_escape(std::string body) {
  body.insert(body.size() - 1, R"(,"\u0078":0)");
  return body;
}

TEST(Document, IsReadAsWrittenAndByTheParserAlike) {
  DocumentReader reader;
  const auto body = document_of(kOrigin, kUser);
  for (const auto& text : {body, with_an_escape(body)}) {
    const auto* const document = reader.read(text);
    ASSERT_NE(document, nullptr);
    expect_values(*document);
  }
}

TEST(Document, WhatWasNotDecodedHasNoValues) {
  DocumentReader reader;
  ASSERT_NE(reader.read(document_of(kOrigin, kUser)), nullptr);
  const auto body = document_of(kOrigin, "null");
  for (const auto& text : {body, with_an_escape(body)}) {
    const auto* const document = reader.read(text);
    ASSERT_NE(document, nullptr);
    EXPECT_FALSE(document->decoded);
    EXPECT_EQ(document->payload, "AgEA");
    EXPECT_EQ(document->used, std::nullopt);
    EXPECT_EQ(document->version, std::nullopt);
  }
}

TEST(Document, MembersOfAnotherTypeAreAbsent) {
  DocumentReader reader;
  const auto body = document_of(R"({"x":[1,{"y":"z"}],"app":{"userdata":{"port":1.5,"payload":7},"gwrx":null}})",
                                R"({"type":"2","code":[1],"bought":"1","left":{"a":1},"used":null,"status":2.0,"version":1,"time":null})");
  for (const auto& text : {body, with_an_escape(body)}) {
    const auto* const document = reader.read(text);
    ASSERT_NE(document, nullptr);
    EXPECT_TRUE(document->decoded);
    EXPECT_TRUE(document->receptions.empty());
    EXPECT_FALSE(document->port || document->payload || document->type || document->code || document->bought || document->left ||
                 document->used || document->status || document->version || document->time)
        << text;
  }
}

TEST(Document, WhatIsNoWholeDocumentIsNone) {
  DocumentReader reader;
  const auto body = document_of(kOrigin, kUser);
  for (std::size_t size = 0; size < body.size(); ++size) EXPECT_EQ(reader.read(body.substr(0, size)), nullptr) << size;
  for (const auto* text : {"[]", "7", R"({"userData":7})", R"({"originData":{"app":{"gwrx":[7]}},"userData":{}})", R"({"originData":{"app":null}})"}) {
    EXPECT_EQ(reader.read(text), nullptr) << text;
  }
}

TEST(Document, AmountsAreReadAlike) {
  DocumentReader reader;
  for (const std::string amount : {"0", "-0", "0.0", "1000.0", "-0.5", "999999999.999", "0.0005", "3.5849", "-3.5849", "1000000000", "999999999",
                                   "-999999999.9999", "123456789012345678", "0.123456789012345678", "1e3", "1e300"}) {
    const auto body = document_of("{}", "{\"left\":" + amount + "}");
    const auto* document = reader.read(body);
    ASSERT_NE(document, nullptr);
    const auto left = document->left;
    EXPECT_EQ(left, reader.read(with_an_escape(body))->left) << amount;
    const auto expected = thousandths(amount);
    EXPECT_EQ(left, expected ? std::optional(*expected) : std::nullopt) << amount;
  }
}

TEST(Thousandths, AreExact) {
  const std::vector<std::pair<const char*, std::int64_t>> cases{
      {"0", 0}, {"0.0", 0}, {"1000.0", 1'000'000}, {"979.171", 979'171}, {"-0.5", -500}, {"20.829", 20'829},
      {"999999999.999", 999'999'999'999}, {"1e3", 1'000'000}, {"0.0005", 1}, {"4294967.295", 4'294'967'295}};
  for (const auto& [text, value] : cases) EXPECT_EQ(thousandths(text).value_or(-1), value) << text;
  for (const char* bad : {"", "-", ".5x", "null", "\"1\"", "1000000000", "1e300"}) EXPECT_FALSE(thousandths(bad)) << bad;
}

}  // namespace
}  // namespace meterhub::meter
