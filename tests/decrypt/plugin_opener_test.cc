#include <meterhub/decrypt/plugin_opener.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <meterhub/base/encoding.h>

#include "../support/temporary_directory.h"

namespace meterhub::decrypt {
namespace {

using lorawan::Answer;
using lorawan::AnswerKind;
using lorawan::PacketError;

constexpr base::Eui64 kGateway{0xfffe020100000011};
const base::Timestamp kEnqueued{std::chrono::seconds(1'700'000'000)};

Body body_of(std::string_view text) { return {base::as_bytes(text), kGateway, kEnqueued}; }

struct Host {
  std::unique_ptr<CipherPlugins> plugins = std::move(*CipherPlugins::load(METERHUB_TEST_PLUGINS "/loadable"));
  PluginOpener opener{plugins.get()};
  std::vector<Answer> open(std::string_view plugin, std::string_view body) { return opener.open(plugin, body_of(body)); }
};

TEST(PluginOpener, TurnsAReadingIntoAnAnswerWithItsReceptions) {
  Host host;
  const auto answers = host.open("unruly", "good");
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].kind, AnswerKind::kApp);
  EXPECT_EQ(answers[0].device.value, 0x0102030405060708U);
  EXPECT_TRUE(answers[0].proven);
  EXPECT_EQ(answers[0].session.value, 3U);
  EXPECT_EQ(answers[0].fcnt, 9U);
  EXPECT_EQ(base::as_text(answers[0].payload), "good");
  ASSERT_EQ(answers[0].receptions.size(), 2U);
  EXPECT_EQ(answers[0].receptions[0].gateway.value, 0xA1U);
  EXPECT_TRUE(answers[0].receptions[0].time_from_gateway);
  EXPECT_EQ(answers[0].receptions[0].time.at, kEnqueued - std::chrono::seconds(5));
  EXPECT_EQ(answers[0].receptions[1].time.at, kEnqueued);
  EXPECT_FALSE(answers[0].receptions[1].rssi);
}

class UnrulyPlugin : public ::testing::TestWithParam<const char*> {};
TEST_P(UnrulyPlugin, IsAnErrorOfTheBodyAndNothingMore) {
  Host host;
  const auto answers = host.open("unruly", GetParam());
  ASSERT_FALSE(answers.empty());
  EXPECT_EQ(answers.back().error, PacketError::kPluginFailed);
  EXPECT_LE(answers.size(), PluginOpener::kReadingsMax + 1);
  EXPECT_EQ(host.open("unruly", "good").size(), 1U);
}
INSTANTIATE_TEST_SUITE_P(Breaches, UnrulyPlugin, ::testing::Values("result", "throws", "null", "payload", "long", "count", "endless"));

TEST(PluginOpener, KeepsTheReadingsHandedOverBeforeAFailure) {
  Host host;
  const auto answers = host.open("unruly", "result");
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[0].kind, AnswerKind::kApp);
}

TEST(PluginOpener, SaysWhenThereIsNoSuchPluginOrItCannotWork) {
  Host host;
  EXPECT_EQ(host.open("nobody", "x").at(0).error, PacketError::kNoPlugin);
  EXPECT_EQ(host.open("refusing", "x").at(0).error, PacketError::kPluginFailed);
  PluginOpener none(nullptr);
  EXPECT_EQ(none.open("unruly", body_of("x")).at(0).error, PacketError::kNoPlugin);
}

TEST(PluginOpener, GivesFramesOutOfTheGatewaysJsonOneByOne) {
  Host host;
  // 40 01 00 00 00 aa (twice, two chains), a frame too short for the cipher, broken base64
  const std::string_view body = R"({"rxpk":[{"modu":"LORA","data":"QAEAAACq","lsnr":1,"rssi":-70},{"modu":"LORA","data":"QAEAAACq","lsnr":5,"rssi":-60},{"modu":"LORA","data":"QAE"},{"modu":"LORA","data":"!"}],"stat":{"rxnb":4}})";
  const auto answers = host.opener.open("frames", body_of(body), [](base::DevAddr address) {
    EXPECT_EQ(address.value, 1U);
    return std::optional<std::uint32_t>(41);
  });
  ASSERT_EQ(answers.size(), 4U);
  EXPECT_EQ(answers[0].fcnt, 42U);
  EXPECT_EQ(answers[0].index, 0U);
  ASSERT_EQ(answers[0].receptions.size(), 2U);
  EXPECT_EQ(answers[0].receptions[0].lsnr, 5);
  EXPECT_EQ(answers[1].error, PacketError::kUnknownDevaddr);
  EXPECT_EQ(answers[1].index, 2U);
  EXPECT_EQ(answers[2].error, PacketError::kBase64);
  EXPECT_EQ(answers[2].index, 3U);
  EXPECT_EQ(answers[3].kind, AnswerKind::kGateway);
}

TEST(PluginOpener, RefusesABodyThatIsNoJsonForAFramePlugin) {
  Host host;
  EXPECT_EQ(host.open("frames", "{not json").at(0).error, PacketError::kJson);
}

// The example, with its key file beside it.
struct Example {
  test::TemporaryDirectory directory;
  std::unique_ptr<CipherPlugins> plugins;
  Example() {
    std::filesystem::copy_file(METERHUB_PLUGIN_XOR, directory / "xor.so");
    std::ofstream(directory / "xor.conf") << "KEY";
    plugins = std::move(*CipherPlugins::load(directory.path().string()));
  }
};

std::string xor_body(std::initializer_list<std::string_view> payloads) {
  std::string out = "XR" + std::string(8, 'G');
  char counter = 0;
  for (const auto payload : payloads) {
    out += std::string("\1\2\3\4\5\6\7\10\0\0\0", 11) + ++counter + static_cast<char>(payload.size());
    char sum = 0;
    for (std::size_t i = 0; i < payload.size(); ++i) {
      out += static_cast<char>(payload[i] ^ "KEY"[i % 3]);
      sum = static_cast<char>(sum + payload[i]);
    }
    out += sum;
  }
  return out;
}

TEST(PluginXor, OpensManyReadingsOfOneBody) {
  Example example;
  PluginOpener opener(example.plugins.get());
  const auto body = xor_body({"first", "second"});
  const auto answers = opener.open("xor", body_of(body));
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(base::as_text(answers[0].payload), "first");
  EXPECT_EQ(base::as_text(answers[1].payload), "second");
  EXPECT_EQ(answers[1].fcnt, 2U);
  EXPECT_FALSE(answers[1].proven);
  EXPECT_EQ(answers[1].receptions.at(0).gateway, kGateway);
}

TEST(PluginXor, RefusesABodyCutShortAtAnyByteAndOneWithAWrongSum) {
  Example example;
  PluginOpener opener(example.plugins.get());
  const auto body = xor_body({"first"});
  for (std::size_t size = 1; size < body.size(); ++size) {
    if (size == 10) continue;  // a body without readings is whole
    const auto answers = opener.open("xor", body_of(std::string_view(body).substr(0, size)));
    ASSERT_EQ(answers.size(), 1U) << size;
    EXPECT_EQ(answers[0].error, PacketError::kBadLength) << size;
  }
  auto wrong = body;
  wrong.back() = static_cast<char>(wrong.back() + 1);
  EXPECT_EQ(opener.open("xor", body_of(wrong)).at(0).error, PacketError::kMic);
}

}  // namespace
}  // namespace meterhub::decrypt
