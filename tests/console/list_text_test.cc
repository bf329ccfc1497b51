#include "list_text.h"

#include <gtest/gtest.h>

namespace meterhub::console {
namespace {

ListForm form() {
  ListForm out{.name = "x", .english = "X", .chinese = "X"};
  out.columns = {{"t", ValueType::kText, "Text", "文字"},       {"i", ValueType::kInteger, "Number", "数"},
                 {"n", ValueType::kNumber, "Figure, dB", "值"}, {"v", ValueType::kVolume, "Volume", "气量"},
                 {"at", ValueType::kTime, "At", "时间"},        {"f", ValueType::kFlag, "Flag", "是否"}};
  return out;
}
const ListRow kFull{
    std::string("重庆"), std::int64_t{-7}, -5.5, std::int64_t{-12'345}, base::Timestamp(std::chrono::seconds(0)), true};
const ListRow kEmpty{Value(), Value(), Value(), Value(), Value(), Value()};

std::string csv(const std::string& text) {
  ListForm one{.name = "x", .english = "X", .chinese = "X"};
  one.columns = {{"t", ValueType::kText, "T", "T"}};
  std::string out;
  append_csv_row(out, one, {text});
  return out;
}

TEST(ListText, WritesJson) {
  std::string out;
  append_json_row(out, form(), kFull);
  EXPECT_EQ(out, R"({"t":"重庆","i":-7,"n":-5.5,"v":-12.345,"at":"1970-01-01T00:00:00Z","f":true})");
  out.clear();
  append_json_row(out, form(), kEmpty);
  EXPECT_EQ(out, R"({"t":null,"i":null,"n":null,"v":null,"at":null,"f":null})");
}

TEST(ListText, WritesCsvThatExcelReadsAsUtf8) {
  EXPECT_EQ(csv_head(form(), Language::kEnglish), "\xEF\xBB\xBFText,Number,\"Figure, dB\",Volume,At,Flag\r\n");
  EXPECT_EQ(csv_head(form(), Language::kChinese), "\xEF\xBB\xBF文字,数,值,气量,时间,是否\r\n");
  std::string out;
  append_csv_row(out, form(), kFull);
  append_csv_row(out, form(), kEmpty);
  EXPECT_EQ(out, "重庆,-7,-5.5,-12.345,1970-01-01T00:00:00Z,true\r\n,,,,,\r\n");
}

TEST(ListText, NeutralisesFormulas) {
  EXPECT_EQ(csv("=HYPERLINK(\"http://x\")"), "\"'=HYPERLINK(\"\"http://x\"\")\"\r\n");
  for (const auto* text : {"=1+1", "+cmd|'/C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "-", "+", "-inf", "+-5", "--5",
                           "\xEF\xBC\x9D"
                           "1",
                           "\xEF\xBC\xA0"
                           "x"}) {
    EXPECT_EQ(csv(text), "'" + std::string(text) + "\r\n") << text;
  }
  EXPECT_EQ(csv("\r=1"), "\"'\r=1\"\r\n");
  EXPECT_EQ(csv("\n=1"), "\"'\n=1\"\r\n");
}

TEST(ListText, LeavesNumbersAndPlainTextAsTheyAre) {
  for (const auto* text : {"-5", "+8613912345678", "-1.5e3", "0000000000000007", "B-1", "a=b", "'quoted", "重庆", ""}) {
    EXPECT_EQ(csv(text), std::string(text) + "\r\n") << text;
  }
}

}  // namespace
}  // namespace meterhub::console
