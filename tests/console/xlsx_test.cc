#include "xlsx.h"

#include <gmock/gmock.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "temporary_directory.h"

namespace meterhub::console {
namespace {

using testing::HasSubstr;
using testing::Not;

class XlsxTest : public testing::Test {
 protected:
  static std::shared_ptr<const ListForm> form() {
    ListForm out{.name = "x", .english = "Meters", .chinese = "表具"};
    out.columns = {{"t", ValueType::kText, "Text", "文字"},
                   {"v", ValueType::kVolume, "Volume", "气量"},
                   {"at", ValueType::kTime, "At", "时间"},
                   {"n", ValueType::kNumber, "Number", "数"},
                   {"f", ValueType::kFlag, "Flag", "是否"}};
    return std::make_shared<const ListForm>(std::move(out));
  }
  std::string scratch() const { return (directory_ / "scratch").string(); }
  std::string written(const std::vector<ListRow>& rows, Language language = Language::kEnglish) {
    auto file = std::move(*XlsxFile::create(scratch(), form(), language));
    EXPECT_TRUE(file->add(rows));
    EXPECT_TRUE(file->finish());
    std::ofstream out(directory_ / "list.xlsx", std::ios::binary);
    for (;;) {
      const auto piece = *file->read(1000);
      if (piece.empty()) break;
      out << piece;
    }
    return (directory_ / "list.xlsx").string();
  }
  // One part of a workbook, as another program unpacks it.
  static std::string part(const std::string& file, const std::string& name) {
    const auto line = "python3 -c \"import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile('" + file +
                      "').read('" + name + "'))\"";
    std::FILE* const pipe = ::popen(line.c_str(), "r");
    std::string out;
    std::array<char, 4096> buffer;
    while (const auto got = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), got);
    EXPECT_EQ(::pclose(pipe), 0);
    return out;
  }
  void SetUp() override { std::filesystem::create_directories(scratch()); }

  db::TemporaryDirectory directory_;
};

TEST_F(XlsxTest, HoldsTextsAsTextsAndNumbersAsNumbers) {
  const auto file =
      written({{std::string("重庆"), std::int64_t{12'345}, base::Timestamp(std::chrono::seconds(1)), -5.5, true},
               {std::string("=1+1"), Value(), Value(), Value(), Value()}},
              Language::kChinese);
  const auto sheet = part(file, "xl/worksheets/sheet1.xml");
  EXPECT_THAT(sheet, HasSubstr("<is><t>重庆</t></is>"));
  EXPECT_THAT(sheet, HasSubstr("<is><t>=1+1</t></is>"));
  EXPECT_THAT(sheet, Not(HasSubstr("<f>")));
  EXPECT_THAT(sheet, HasSubstr("<v>12.345</v>"));
  EXPECT_THAT(sheet, HasSubstr("<v>-5.5</v>"));
  EXPECT_THAT(sheet, HasSubstr("时间 (UTC)"));
  EXPECT_THAT(part(file, "xl/workbook.xml"), HasSubstr("表具"));
}

TEST_F(XlsxTest, HoldsNothingThatExcelWouldCallDamaged) {
  const auto file = written({{std::string("a\x01"
                                          "b\x7f<&>"),
                              Value(), Value(), std::nan(""), Value()},
                             {std::string("\xff\xfe"
                                          "c"),
                              Value(), Value(), Value(), Value()},
                             {std::string("\xEF\xBF\xBF"
                                          "d"),
                              Value(), Value(), Value(), Value()},
                             {std::string(40'000, 'x') + "end", Value(), Value(), Value(), Value()}});
  const auto sheet = part(file, "xl/worksheets/sheet1.xml");
  EXPECT_THAT(sheet, HasSubstr("a?b?&lt;&amp;&gt;"));
  EXPECT_THAT(sheet, HasSubstr("<t>??c</t>"));
  EXPECT_THAT(sheet, HasSubstr("<t>?d</t>"));
  EXPECT_THAT(sheet, HasSubstr(std::string(32'767, 'x')));
  EXPECT_THAT(sheet, Not(HasSubstr("end")));
  EXPECT_THAT(sheet, Not(HasSubstr("nan")));
}

TEST_F(XlsxTest, LeavesNothingBehind) {
  written({});
  {
    auto unfinished = std::move(*XlsxFile::create(scratch(), form(), Language::kEnglish));
    EXPECT_TRUE(unfinished->add({{Value(), Value(), Value(), Value(), Value()}}));
  }
  EXPECT_TRUE(std::filesystem::is_empty(scratch()));
  EXPECT_FALSE(XlsxFile::create((directory_ / "nowhere").string(), form(), Language::kEnglish));
}

}  // namespace
}  // namespace meterhub::console
