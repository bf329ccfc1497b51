#include <meterhub/base/json_text.h>

#include <gtest/gtest.h>

#include <charconv>
#include <limits>

namespace meterhub::base {
namespace {

std::string as_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonText, EscapesWhatJsonRequires) {
  using namespace std::string_literals;
  EXPECT_EQ(as_json("a\"b\\c\n\r\t\0\x1f"s), R"("a\"b\\c\n\r\t\u0000\u001f")");
  EXPECT_EQ(as_json("\xe7\x87\x83\x7f"), "\"\xe7\x87\x83\x7f\"");
}

TEST(JsonText, WritesNumbersShortest) {
  std::string out;
  for (const double value : {481.5, 9.0, -7.5, 0.1}) append_json_number(out += ' ', value);
  append_json_number(out += ' ', std::int64_t{-5});
  append_json_number(out += ' ', std::numeric_limits<std::uint64_t>::max());
  append_json_number(out += ' ', std::numeric_limits<double>::infinity());
  EXPECT_EQ(out, " 481.5 9 -7.5 0.1 -5 18446744073709551615 null");
}

TEST(JsonText, WritesNumbersWithOneDecimalAsTheLibraryDoes) {
  const auto same = [](double value) {
    char text[32];
    const std::string_view library(text, static_cast<std::size_t>(std::to_chars(text, text + sizeof text, value).ptr - text));
    std::string out;
    append_json_number(out, value);
    EXPECT_EQ(out, library);
  };
  for (int tenths = -1'000'020; tenths <= 1'000'020; tenths += tenths < -2'000 || tenths > 2'000 ? 7 : 1) {
    same(tenths / 10.0);
    same(tenths * 0.1);  // often its neighbour
  }
  for (const double value : {-0.0, 0.05, 0.25, -0.04, 100'000.0, 99'999.95, 1e-7, 1e22, 5e-324}) same(value);
}

}  // namespace
}  // namespace meterhub::base
