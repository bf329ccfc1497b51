// Goal: a new meter comes in the place of an old one, once, with a note that outlives both; what cannot be is refused
// with what to do instead.
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>

#include <meterhub/db/connection.h>
#include <meterhub/registry/transfer.h>

#include "registry_fixture.h"

namespace meterhub::registry {
namespace {

using base::Errc;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

base::Eui64 eui(std::uint64_t n) { return base::Eui64(0xffffffff00000000ULL + n); }

class ExchangesTest : public RegistryTest {
 protected:
  void SetUp() override {
    clock_.set_wall(base::Timestamp(24h * 100));
    add(1, "A1", "12", "1203");
    add(2);
    add(3);
  }
  void add(std::uint64_t n, const std::string& building = {}, const std::string& floor = {},
           const std::string& unit = {}) {
    auto spec = abp(eui(n).value, static_cast<std::uint32_t>(n));
    spec.tenant = "Chongqing Gas";
    spec.district = building.empty() ? "" : "Yuzhong";
    spec.building = building;
    spec.floor = floor;
    spec.unit = unit;
    const auto added = store_->add_meter("test", spec);
    ASSERT_TRUE(added) << added.error().text;
  }
  ExchangeSpec spec(std::uint64_t old, std::uint64_t now, base::Duration ago = 0s) const {
    return {.old_meter = eui(old), .new_meter = eui(now), .at = clock_.now() - ago};
  }
  auto exchange(std::uint64_t old, std::uint64_t now, base::Duration ago = 0s) {
    return store_->exchange_meter("fitter", spec(old, now, ago));
  }
  std::string place(std::uint64_t n) {
    const auto meter = *store_->meter(eui(n));
    return meter.district_name + "/" + meter.building_name + "/" + meter.floor + "/" + meter.unit_name;
  }
  std::vector<std::string> notes() {
    std::vector<std::string> out;
    const auto all = *store_->exchanges({}, 100);
    for (const auto& [exchange, place] : all) {
      out.push_back(std::to_string(exchange.old_meter.value & 0xff) + ">" +
                    std::to_string(exchange.new_meter.value & 0xff) + " " + place.building + "/" + place.unit);
    }
    return out;
  }
};

TEST_F(ExchangesTest, TheNewMeterTakesThePlaceAndTheOldOneStays) {
  auto old = abp(eui(1).value, 1);
  old.tenant = "Chongqing Gas";
  old.district = "Yuzhong", old.building = "A1", old.floor = "12", old.unit = "1203";
  old.low_limit_litres = 8'000;
  ASSERT_TRUE(store_->update_meter("test", old));
  const auto change = *store_->last_change();
  auto asked = spec(1, 2, 1h);
  asked.final_litres = 1'234'567;
  asked.initial_litres = 0;
  const auto done = store_->exchange_meter("fitter", asked);
  ASSERT_TRUE(done) << done.error().text;
  EXPECT_EQ(place(2), "Yuzhong/A1/12/1203");
  EXPECT_EQ(store_->meter(eui(2))->low_limit_litres, 8'000);
  EXPECT_EQ(place(1), "///");
  EXPECT_EQ(store_->meter(eui(1))->low_limit_litres, std::nullopt);
  EXPECT_EQ(store_->meter(eui(1))->session.value, 1u) << "it may still send";
  EXPECT_EQ(store_->meter(eui(1))->tenant_name, "Chongqing Gas");

  const auto noted = store_->exchanges({}, 10)->at(0);
  EXPECT_EQ(noted.exchange, *done);
  EXPECT_EQ(noted.exchange.at, clock_.now() - 1h);
  EXPECT_EQ(noted.exchange.building, store_->meter(eui(2))->building);
  EXPECT_EQ(noted.exchange.unit, store_->meter(eui(2))->unit);
  EXPECT_EQ(noted.exchange.final_litres, 1'234'567);
  EXPECT_EQ(noted.exchange.initial_litres, 0);
  EXPECT_EQ(noted.place, (ExchangePlace{"Yuzhong", "A1", "12", "1203"}));

  const auto audit = store_->find_audit({.actions = {"meter.exchange"}}, true, 0, 10)->at(0);
  EXPECT_EQ(audit.actor, "fitter");
  EXPECT_EQ(audit.subject, eui(1).text());
  EXPECT_THAT(audit.detail,
              HasSubstr("for " + eui(2).text() + " at 1970-04-10T23:00:00Z, final 1234.567 m3, initial 0.000 m3"));
  std::vector<Change::Kind> kinds;
  const auto changes = *store_->changes(change, 10);
  for (const auto& one : changes) kinds.push_back(one.kind);
  EXPECT_THAT(kinds, ElementsAre(Change::Kind::kMeter, Change::Kind::kMeter, Change::Kind::kExchange));
}

TEST_F(ExchangesTest, TwiceOnOneDayAndBackLaterInAnotherFlat) {
  add(4, "B2", "1", "101");
  ASSERT_TRUE(exchange(1, 2, 8h));
  ASSERT_TRUE(exchange(2, 3, 4h));
  const auto back = exchange(4, 1, 1h);
  ASSERT_TRUE(back) << back.error().text;
  EXPECT_EQ(place(3), "Yuzhong/A1/12/1203");
  EXPECT_EQ(place(1), "Yuzhong/B2/1/101");
  EXPECT_EQ(place(2), "///");
  EXPECT_THAT(notes(), ElementsAre("1>2 A1/1203", "2>3 A1/1203", "4>1 B2/101"));
  // And to where it hung first.
  ASSERT_TRUE(store_->exchange_meter("fitter", {.old_meter = eui(3), .new_meter = eui(2)}));
  EXPECT_EQ(place(2), "Yuzhong/A1/12/1203");
}

TEST_F(ExchangesTest, AMeterOfTheBuildingAndOneThatStandsInTheFlatAlready) {
  add(4, "Boiler house");
  add(5, "A1", "12", "1203");  // as an import of before the exchange may have it
  EXPECT_TRUE(exchange(4, 2, 1h));
  EXPECT_EQ(place(2), "Yuzhong/Boiler house//");
  const auto done = exchange(1, 5, 1h);
  EXPECT_TRUE(done) << done.error().text;
  EXPECT_EQ(place(5), "Yuzhong/A1/12/1203");
  EXPECT_EQ(place(1), "///");
}

TEST_F(ExchangesTest, RefusesWhatCannotBeAndSaysWhatToDo) {
  ASSERT_TRUE(store_->add_tenant("test", "Other"));
  auto strange = abp(eui(7).value, 7);
  strange.tenant = "Other";
  ASSERT_TRUE(store_->add_meter("test", strange));
  add(4, "B2", "1", "101");
  const struct {
    ExchangeSpec spec;
    Errc code;
    std::string text;
  } cases[] = {
      {spec(9, 2), Errc::kNotFound, "there is no meter " + eui(9).text()},
      {spec(1, 9), Errc::kNotFound,
       "there is no meter " + eui(9).text() + ": add it first, with its keys and without a place"},
      {spec(1, 1), Errc::kInvalidArgument, "not exchanged for itself"},
      {spec(1, 7), Errc::kInvalidArgument, "is of tenant Chongqing Gas, " + eui(7).text() + " of Other"},
      {spec(1, 4), Errc::kPrecondition, eui(4).text() + " hangs in B2, 1, 101 already: exchange it there first"},
      {spec(3, 2), Errc::kPrecondition, eui(3).text() + " hangs nowhere"},
      {spec(1, 2, -1s), Errc::kInvalidArgument, "is in the future"},
      {{.old_meter = eui(1), .new_meter = eui(2), .final_litres = -1},
       Errc::kInvalidArgument,
       "a counter lies between 0 and 1000000000 m3"},
      {{.old_meter = eui(1), .new_meter = eui(2), .initial_litres = kExchangeLitresMax + 1},
       Errc::kInvalidArgument,
       "a counter lies between"},
  };
  for (const auto& one : cases) {
    const auto done = store_->exchange_meter("test", one.spec);
    ASSERT_FALSE(done) << one.text;
    EXPECT_EQ(done.error().code, one.code) << one.text;
    EXPECT_THAT(done.error().text, HasSubstr(one.text));
  }
  EXPECT_TRUE(store_->exchanges({}, 10)->empty());
  EXPECT_EQ(place(1), "Yuzhong/A1/12/1203");
}

TEST_F(ExchangesTest, TimesOfAPlaceRise) {
  ASSERT_TRUE(exchange(1, 2, 2h));
  EXPECT_THAT(exchange(1, 3, 1h).error().text, HasSubstr("was taken out at 1970-04-10T22:00:00Z: " + eui(2).text() +
                                                         " came in its place, exchange that one"));
  for (const auto ago : {2h, 3h}) {
    const auto early = exchange(2, 3, ago);
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().code, Errc::kPrecondition);
    EXPECT_THAT(early.error().text, HasSubstr(eui(2).text() + " was put in itself at 1970-04-10T22:00:00Z"));
  }
  add(4, "B2", "1", "101");
  EXPECT_THAT(exchange(4, 1, 3h).error().text, HasSubstr(eui(1).text() + " was taken out itself at"))
      << "it hung in A1 still";
  EXPECT_TRUE(exchange(2, 3, 2h - 1us));
}

TEST_F(ExchangesTest, NotesOutliveTheirMeters) {
  ASSERT_TRUE(exchange(1, 2, 1h));
  ASSERT_TRUE(store_->remove_meter("test", eui(1)));
  ASSERT_TRUE(store_->remove_meter("test", eui(2)));
  EXPECT_THAT(notes(), ElementsAre("1>2 A1/1203"));
}

TEST_F(ExchangesTest, AreReadInParts) {
  ASSERT_TRUE(exchange(1, 2, 3h));
  ASSERT_TRUE(exchange(2, 3, 2h));
  ASSERT_TRUE(exchange(3, 1, 1h));
  EXPECT_EQ(store_->exchanges({}, 2)->size(), 2u);
  EXPECT_EQ(store_->exchanges(ExchangeNumber(2), 2)->at(0).exchange.new_meter, eui(1));
  EXPECT_EQ(store_->exchanges(ExchangeNumber(1), 5, ExchangeNumber(2))->size(), 1u);
}

TEST_F(ExchangesTest, ARegistryOfAnEarlierVersionIsGivenThem) {
  store_.reset();
  {
    const auto connection = std::move(*db::Connection::open(directory_ / "registry.sqlite", {}));
    ASSERT_TRUE(connection->execute("DROP TABLE exchanges; DELETE FROM schema_migrations WHERE number >= 8"));
  }
  store_ = open();
  EXPECT_TRUE(exchange(1, 2, 1h));
}

class ExchangeFiles : public ExchangesTest {
 protected:
  std::filesystem::path file(const std::string& text) {
    const auto path = directory_ / "exchanges.csv";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  auto import(const std::string& text, bool replace = false) {
    return import_exchanges(*store_, "test", file(text), {.replace = replace});
  }
  std::string exported() {
    EXPECT_TRUE(export_exchanges(*store_, directory_ / "out.csv", {}));
    std::ifstream in(directory_ / "out.csv", std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

constexpr const char* kHead = "old,new,time,final_m3,initial_m3,district,building,floor,unit\n";

TEST_F(ExchangeFiles, AFittersListIsDoneLineByLineOrNotAtAll) {
  const std::string lines = eui(1).text() + ",1970-04-10T08:00:00+08:00," + eui(2).text() + ",10.5\n" + eui(2).text() +
                            ",1970-04-10T01:00:00Z," + eui(3).text() + ",\n";
  const auto wrong = import("old,time,new,final_m3\n" + lines + eui(1).text() + ",1970-04-10T02:00:00Z," +
                            eui(2).text() + ",1.2345\n");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().text, HasSubstr("line 4: final_m3: cubic metres are expected"));
  EXPECT_EQ(place(1), "Yuzhong/A1/12/1203");
  const auto done = import("old,time,new,final_m3\n" + lines);
  ASSERT_TRUE(done) << done.error().text;
  EXPECT_EQ(done->imported, 2u);
  EXPECT_EQ(place(3), "Yuzhong/A1/12/1203");
  EXPECT_EQ(exported(), std::string(kHead) + eui(1).text() + "," + eui(2).text() +
                            ",1970-04-10T00:00:00Z,10.500,,Yuzhong,A1,12,1203\n" + eui(2).text() + "," + eui(3).text() +
                            ",1970-04-10T01:00:00Z,,,Yuzhong,A1,12,1203\n");
}

TEST_F(ExchangeFiles, WhatWasExportedGoesIntoAnotherRegistryAndMovesNobody) {
  auto asked = spec(1, 2, 1h);
  asked.final_litres = 7;
  ASSERT_TRUE(store_->exchange_meter("test", asked));
  ASSERT_TRUE(exchange(2, 3, 30min));
  const auto text = exported();
  ASSERT_TRUE(export_meters(*store_, directory_ / "meters.csv", {.with_keys = true}));
  store_.reset();
  for (const auto* name : {"registry.sqlite", "registry.sqlite-wal", "registry.sqlite-shm"})
    std::filesystem::remove(directory_ / name);
  store_ = open();
  ASSERT_TRUE(store_->add_tenant("test", "Chongqing Gas"));
  ASSERT_TRUE(import_meters(*store_, "test", directory_ / "meters.csv", {}));
  const auto taken = import(text);
  ASSERT_TRUE(taken) << taken.error().text;
  EXPECT_EQ(exported(), text);
  EXPECT_EQ(place(3), "Yuzhong/A1/12/1203");
  EXPECT_EQ(place(1), "///");
  EXPECT_EQ(import(text).error().code, Errc::kAlreadyExists);
}

TEST_F(ExchangeFiles, ReplaceTakesOtherCountersAndNothingElse) {
  ASSERT_TRUE(exchange(1, 2, 1h));
  const auto line = eui(1).text() + "," + eui(2).text() + ",1970-04-10T23:00:00Z,";
  ASSERT_TRUE(import(std::string(kHead) + line + "5,0.001,,,,\n", true));
  EXPECT_EQ(exported(), std::string(kHead) + line + "5.000,0.001,Yuzhong,A1,12,1203\n");
  EXPECT_EQ(place(1), "///");
}

TEST(CubicMetres, AreReadExactlyOrNotAtAll) {
  const std::pair<const char*, std::int64_t> good[] = {
      {"0", 0},     {"12", 12'000},          {"12.3", 12'300},
      {"0.001", 1}, {"1234.567", 1'234'567}, {"1000000000", kExchangeLitresMax}};
  for (const auto& [text, litres] : good) EXPECT_EQ(*litres_of(text), litres) << text;
  for (const auto* text :
       {"", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "1.2345", " 1", "1000000000.001", "99999999999", "1.2.3"}) {
    EXPECT_FALSE(litres_of(text)) << text;
  }
  EXPECT_EQ(cubic_metres_text(12'034), "12.034");
}

}  // namespace
}  // namespace meterhub::registry
