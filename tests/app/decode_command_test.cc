// Runs the program itself, as a user does.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include <meterhub/base/encoding.h>
#include <nlohmann/json.hpp>

namespace meterhub::app {
namespace {

using nlohmann::json;

struct Outcome {
  int code = -1;
  std::string output;
};

Outcome run(const std::string& arguments) {
  Outcome out;
  std::FILE* pipe = popen((METERHUB_PROGRAM " decode " + arguments + " 2>&1").c_str(), "r");
  std::array<char, 4096> buffer;
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.output.append(buffer.data(), got);
  out.code = WEXITSTATUS(pclose(pipe));
  return out;
}

const std::string kSample = "--payload AgEAD0JAAA7w4wAAUV0ABHYxLjA";
const std::string kKeys = " --nwkskey 2b7e151628aed2a6abf7158809cf4f3c --appskey 3c4fcf098815f7aba6d2ae2816157e2b";

TEST(DecodeCommand, ExplainsThePublishedPayloadByBothProfiles) {
  const Outcome v1 = run(kSample);
  EXPECT_EQ(v1.code, 0);
  const std::string figures = R"("userData":{"type":2,"code":1,"bought":1000.0,"left":979.171,"used":20.829,"status":4,"version":"v1.0"})";
  EXPECT_NE(v1.output.find(figures), std::string::npos) << v1.output;
  const Outcome poc = run("--profile poc-2016 " + kSample);
  const std::string wrong = R"("bought":3.84,"left":3.584,"used":0.0,"status":1024,"version":"v1.0"})";
  EXPECT_NE(poc.output.find(wrong), std::string::npos) << poc.output;
}

TEST(DecodeCommand, ProvesAndOpensAFrame) {
  const json good = json::parse(run("--frame 40c4b3a2010000000109bd62db240843cd397963f2a259c2a7eb42224f11484580" + kKeys).output);
  EXPECT_EQ(good["micOk"], true);
  EXPECT_EQ(good["userData"]["left"], 979.171);
  const json wrong = json::parse(run("--frame 40c4b3a2010000000109bd62db240843cd397963f2a259c2a7eb42224f11484581" + kKeys).output);
  EXPECT_EQ(wrong["error"], "mic");
  const json hinted = json::parse(run("--fcnt-hint 65535 --frame 40c4b3a2010000000154a79074699fe61b57f02034b2e3634784342ca429e923ca" + kKeys).output);
  EXPECT_EQ(hinted["fcnt"], 65'536);
}

TEST(DecodeCommand, ExplainsADatagramWithAndWithoutKeys) {
  const json vectors = json::parse(std::ifstream(METERHUB_TEST_DATA "/vectors/ns_datagrams.json"));
  const auto name = std::filesystem::temp_directory_path() / ("meterhub-decode-" + std::to_string(getpid()));
  std::ofstream(name, std::ios::binary) << base::as_text(*base::hex_decode(vectors["cases"][0]["datagram"].get<std::string>()));
  const json opened = json::parse(run("--datagram " + name.string() + kKeys).output);
  EXPECT_EQ(opened["answers"][0]["userData"]["bought"], 1000.0);
  const json closed = json::parse(run("--datagram " + name.string()).output);
  EXPECT_EQ(closed["answers"][0]["line"]["ns"]["err"], "unknown_devaddr");
  std::filesystem::remove(name);
}

TEST(DecodeCommand, TellsWrongUsageFromFailure) {
  EXPECT_EQ(run("--frame ''" + kKeys).output, "{\"error\":\"bad_length\"}\n") << "an empty frame is still a frame";
  EXPECT_EQ(run("").code, 2);
  EXPECT_EQ(run("--frame 40").code, 2);
  EXPECT_EQ(run("--payload '$'").code, 1);
  EXPECT_EQ(run("--profile nothing " + kSample).code, 1);
  EXPECT_EQ(json::parse(run("--payload Ag").output)["error"], "bad_length");
}

}  // namespace
}  // namespace meterhub::app
