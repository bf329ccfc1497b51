#include "kept_records.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace meterhub::engine {
namespace {

using Model = std::map<std::string, std::string>;

std::string text_of(std::mt19937_64& random, std::size_t most) { return std::string(random() % most, static_cast<char>('a' + random() % 26)); }

void change(KeptRecords& records, Model& model, std::mt19937_64& random) {
  const auto key = "meter " + std::to_string(random() % 500);
  const auto part = part_of_key(key);
  if (random() % 4 == 0) {
    records.erase(part, key);
    model.erase(key);
    return;
  }
  const auto value = text_of(random, random() % 20 == 0 ? 5'000 : 200);
  records.set(part, key, value);
  model[key] = value;
}

Model all(const KeptRecords& records) {
  Model out;
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    records.each(part, [&](KeptRecords::Found found) {
      const auto [key, value] = records.get(found);
      EXPECT_EQ(part_of_key(key), part);
      out.emplace(key, value);
    });
  }
  return out;
}

TEST(KeptRecords, HoldWhatAMapHolds) {
  KeptRecords records;
  Model model;
  std::mt19937_64 random(11);
  for (int i = 0; i < 20'000; ++i) change(records, model, random);
  EXPECT_EQ(all(records), model);
  EXPECT_EQ(records.size(), model.size());
  for (const auto& [key, value] : model) {
    const auto found = records.find(part_of_key(key), key);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(records.get(found).value, value);
  }
}

TEST(KeptRecords, ErasesThoseThatAreToGoAndMayChangeTheOthers) {
  KeptRecords records;
  Model model;
  std::mt19937_64 random(13);
  for (int i = 0; i < 5'000; ++i) change(records, model, random);
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    records.erase_if(part, [&](KeptRecords::Found found) {
      const auto [key, value] = records.get(found);
      if (value.size() % 2 == 0) return true;
      records.set(found, std::string(value) + std::string(300, '!'));
      return false;
    });
  }
  std::erase_if(model, [](const auto& one) { return one.second.size() % 2 == 0; });
  for (auto& [key, value] : model) value += std::string(300, '!');
  EXPECT_EQ(all(records), model);
}

TEST(KeptRecords, TakeBackTheirMemoryWhenAllAreErased) {
  KeptRecords records;
  for (int i = 0; i < 10'000; ++i) {
    const auto key = std::to_string(i);
    records.add(part_of_key(key), key, "value");
  }
  EXPECT_GT(records.bytes(), 100'000U);
  for (std::uint32_t part = 0; part < kStateParts; ++part) records.erase_if(part, [](KeptRecords::Found) { return true; });
  EXPECT_EQ(records.bytes(), 0U);
}

TEST(KeptRecords, AreSavedAndLoadedPartByPart) {
  KeptRecords records;
  Model model;
  std::mt19937_64 random(17);
  for (int i = 0; i < 3'000; ++i) change(records, model, random);
  KeptRecords again;
  const auto load = [](Unpacker& from, std::string& value) {
    value = from.bytes();
    return true;
  };
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    ASSERT_TRUE(again.load(part, records.save(part, [](std::string& out, std::string_view value) { pack_bytes(out, value); }), load));
  }
  EXPECT_EQ(all(again), model);
  EXPECT_FALSE(again.load(0, "\x05kurz", load));
}

}  // namespace
}  // namespace meterhub::engine
