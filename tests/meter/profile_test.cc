#include <meterhub/meter/profile.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include <meterhub/base/encoding.h>
#include <meterhub/meter/reading.h>

namespace meterhub::meter {
namespace {

std::string file(const std::string& name) {
  std::stringstream out;
  out << std::ifstream(METERHUB_SOURCE_DIR "/profiles/" + name).rdbuf();
  return out.str();
}

TEST(Profile, FilesAndBuiltInOnesAreTheSame) {
  for (const auto name : builtin_profile_names()) {
    const auto profile = parse_profile(file(std::string(name) + ".toml"));
    ASSERT_TRUE(profile) << profile.error().text;
    EXPECT_EQ(profile->name, name);
    EXPECT_EQ(profile->fields.size(), builtin_profile(name)->fields.size());
  }
  EXPECT_EQ(builtin_profile("v2"), nullptr);
}

// A water meter nobody thought of here: BCD, little endian, a factor, limits, own fields.
constexpr std::string_view kOtherMeter = R"(
name = "water"
length = 12
[[field]]
name = "used"
size = 4
type = "bcd"
order = "little"
decimals = 3
unit = "m3"
[[field]]
name = "temperature"
offset = 4
size = 2
type = "signed"
decimals = 1
unit = "C"
min = -20
max = 60.5
[[field]]
name = "pulses"
offset = 6
size = 2
factor = 10
[[field]]
name = "version"
offset = 8
size = 4
type = "text"
[status]
)";

TEST(Profile, DescribesAnotherMeterByAFileAlone) {
  const auto profile = parse_profile(kOtherMeter);
  ASSERT_TRUE(profile) << profile.error().text;
  Reading reading;
  ASSERT_TRUE(decode(*profile, *base::hex_decode("78563412ff9c000741424300"), reading));
  std::string text;
  append_user_data(text, &reading, {});
  EXPECT_EQ(text, R"({"used":12345.678,"temperature":-10.0,"pulses":70,"version":"ABC","time":"1970-01-01T00:00:00Z"})");
  EXPECT_EQ(reading.litres(Role::kUsed), 12'345'678);
  EXPECT_TRUE(reading.plausibility.within_limits);
  EXPECT_EQ(encode(*profile, reading).value(), *base::hex_decode("78563412ff9c000741424300"));
  ASSERT_TRUE(decode(*profile, *base::hex_decode("7856341203e8000741424300"), reading));
  EXPECT_FALSE(reading.plausibility.within_limits);
  EXPECT_EQ(decode(*profile, *base::hex_decode("7a563412ff9c000741424300"), reading).error(), DecodeError::kBadDigits);
}

TEST(Profile, RefusesWhatBreaksARuleAndSaysWhich) {
  const auto why = [](const std::string& text) {
    const auto profile = parse_profile(text);
    return profile ? std::string("accepted") : profile.error().text;
  };
  const std::string head = "name = \"x\"\nlength = 4\n";
  EXPECT_EQ(why(head + "[[field]]\nname = \"a\"\nsize = 4"), "accepted");
  EXPECT_THAT(why("= 1"), ::testing::HasSubstr("line 1"));
  EXPECT_THAT(why("length = 4\n[[field]]\nname = \"a\""), ::testing::HasSubstr("name must be given"));
  EXPECT_THAT(why(head), ::testing::HasSubstr("[[field]]"));
  EXPECT_THAT(why(head + "[[field]]\nname = \"a\"\noffset = 3\nsize = 2"), ::testing::HasSubstr("outside the payload"));
  EXPECT_THAT(why(head + "[[field]]\nname = \"a\"\n[[field]]\nname = \"a\""), ::testing::HasSubstr("two fields named a"));
  EXPECT_THAT(why(head + "[[field]]\nname = \"a\"\ntype = \"float\""), ::testing::HasSubstr("one of unsigned signed bcd text"));
  EXPECT_THAT(why(head + "[[field]]\nname = \"a\"\nsise = 2"), ::testing::HasSubstr("unknown key 'sise'"));
  EXPECT_THAT(why(head + "[[field]]\nname = \"time\""), ::testing::HasSubstr("not 'time'"));
  EXPECT_THAT(why(head + "[[field]]\nname = \"a\"\nsize = 9"), ::testing::HasSubstr("from 1 to 8"));
  EXPECT_THAT(why(head + "[[field]]\nname = \"used\"\nsize = 4\nunit = \"l\""), ::testing::HasSubstr("line 6: field 1: unit must be \"m3\" for used"));
  EXPECT_THAT(why("name = \"../x\"\nlength = 4\n[[field]]\nname = \"a\""), ::testing::HasSubstr("name must be given"));
  EXPECT_THAT(why(head + "status = 1\n[[field]]\nname = \"a\""), ::testing::HasSubstr("status"));
}

// The person at the file needs the place, not only the rule.
TEST(Profile, SaysTheLineOfWhatIsWrong) {
  const auto why = [](const std::string& text) { return parse_profile(text).error().text; };
  const std::string head = "name = \"x\"\nlength = 4\n";  // two lines
  EXPECT_THAT(why(head + "\n[[field]]\nname = \"a\"\nsize = 9"), ::testing::StartsWith("line 6: field 1: size must be"));
  EXPECT_THAT(why(head + "[[field]]\nname = \"a\"\n\n[[field]]\nsize = 2"), ::testing::StartsWith("line 6: field 2: name must be"));
  EXPECT_THAT(why(head + "[[field]]\nname = \"a\"\nsise = 2"), ::testing::StartsWith("line 5: field 1: unknown key 'sise'; there are name type"));
  EXPECT_EQ(why(head + "[[field]]\nname = \"a\"\noffset = 3\nsize = 2"), "line 3: field a lies outside the payload: it ends at byte 5 of 4");
  EXPECT_THAT(why(head + "[[field]]\nname = \"a\"\n[[field]]\nname = \"a\""), ::testing::StartsWith("line 5: two fields"));
  EXPECT_THAT(why("length = 4\n[[field]]\nname = \"a\""), ::testing::StartsWith("line 1: profile: name must be given"));
  EXPECT_THAT(why(head + "[[field]]\nname = \"a\"\n[status]\nleak = 0"), ::testing::StartsWith("line 6: status: leak"));
}

}  // namespace
}  // namespace meterhub::meter
