#include <meterhub/base/json_text.h>

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace meterhub::base
