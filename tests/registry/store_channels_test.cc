// Channels of messages and their routes, as the registry keeps them.
#include <algorithm>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>

#include "registry_fixture.h"

namespace meterhub::registry {
namespace {

using std::chrono::minutes;
using testing::ElementsAre;
using testing::HasSubstr;

class StoredChannels : public RegistryTest {
 protected:
  static ChannelSpec mail(std::string name = "duty") {
    ChannelSpec out;
    out.name = std::move(name);
    out.to = {"a@example.org", "b@example.org"};
    out.from = "Meterhub <m@example.org>";
    out.server = "smtps://mail.example.org";
    out.user = "m";
    out.secret = "very-secret-word";
    return out;
  }
  static ChannelSpec robot(std::string name = "group") {
    ChannelSpec out;
    out.name = std::move(name);
    out.kind = ChannelKind::kWecom;
    out.url = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=hidden-key";
    return out;
  }
  std::vector<std::string> audit() const {
    std::vector<std::string> out;
    const auto entries = store_->audit(0, 100);
    EXPECT_TRUE(entries);
    for (const auto& entry : *entries) {
      if (entry.action.starts_with("channel.") || entry.action.starts_with("route."))
        out.push_back(entry.actor + " " + entry.action + " " + entry.subject + " " + entry.detail);
    }
    return out;
  }
  std::string bytes_of_the_file() {
    std::string out;
    for (const char* name : {"registry.sqlite", "registry.sqlite-wal"}) {
      std::ifstream file(directory_ / name, std::ios::binary);
      out.append(std::istreambuf_iterator<char>(file), {});
    }
    return out;
  }
};

TEST_F(StoredChannels, AreThereAfterARestartWithTheirSecrets) {
  ASSERT_TRUE(store_->add_channel("cli", mail()));
  store_ = open();
  const auto channel = store_->channel("duty");
  ASSERT_TRUE(channel) << channel.error().text;
  EXPECT_THAT(channel->spec.to, ElementsAre("a@example.org", "b@example.org"));
  EXPECT_EQ(channel->spec.from, "Meterhub <m@example.org>");
  EXPECT_EQ(channel->spec.language, "zh");
  EXPECT_TRUE(channel->has_secret);
  EXPECT_FALSE(channel->spec.secret);
  EXPECT_EQ(store_->channel_secrets(channel->number)->secret, "very-secret-word");
}

TEST_F(StoredChannels, KeepNoSecretThatAFileWouldShow) {
  ASSERT_TRUE(store_->add_channel("cli", mail()));
  const auto channel = store_->add_channel("cli", robot());
  ASSERT_TRUE(channel) << channel.error().text;
  EXPECT_EQ(channel->shown, "https://qyapi.weixin.qq.com/…");
  const auto bytes = bytes_of_the_file();
  ASSERT_THAT(bytes, HasSubstr("m@example.org"));
  EXPECT_EQ(bytes.find("very-secret-word"), bytes.npos);
  EXPECT_EQ(bytes.find("hidden-key"), bytes.npos);
  EXPECT_EQ(store_->channel_secrets(channel->number)->url, *robot().url);
}

TEST_F(StoredChannels, AChangeKeepsTheSecretThatItDoesNotName) {
  ASSERT_TRUE(store_->add_channel("cli", mail()));
  auto changed = mail();
  changed.to = {"c@example.org"};
  changed.secret.reset();
  changed.enabled = false;
  const auto channel = store_->change_channel("cli", changed);
  ASSERT_TRUE(channel) << channel.error().text;
  EXPECT_FALSE(channel->spec.enabled);
  EXPECT_THAT(channel->spec.to, ElementsAre("c@example.org"));
  EXPECT_EQ(store_->channel_secrets(channel->number)->secret, "very-secret-word");
  changed.secret = "";
  EXPECT_FALSE(store_->change_channel("cli", changed)->has_secret);
}

TEST_F(StoredChannels, RefuseWhatCannotBeSent) {
  const auto refused = [&](ChannelSpec spec) {
    const auto added = store_->add_channel("cli", spec);
    return added ? base::Errc::kInternal : added.error().code;
  };
  auto spec = mail();
  spec.name = "a/b";
  EXPECT_EQ(refused(spec), base::Errc::kInvalidArgument);
  spec = mail();
  spec.to.clear();
  EXPECT_EQ(refused(spec), base::Errc::kInvalidArgument);
  spec = mail();
  spec.to = {"a@example.org\r\nBcc: everybody@example.org"};
  EXPECT_EQ(refused(spec), base::Errc::kInvalidArgument);
  spec = robot();
  spec.url.reset();
  EXPECT_EQ(refused(spec), base::Errc::kInvalidArgument);
  spec = robot();
  spec.to = {"a@example.org"};
  EXPECT_EQ(refused(spec), base::Errc::kInvalidArgument);
  spec = mail();
  spec.tenant = "nobody";
  EXPECT_EQ(refused(spec), base::Errc::kNotFound);
  ASSERT_TRUE(store_->add_channel("cli", mail()));
  EXPECT_EQ(refused(mail()), base::Errc::kAlreadyExists);
}

TEST_F(StoredChannels, ANameTakenAgainIsAnotherChannel) {
  const auto first = store_->add_channel("cli", mail())->number;
  ASSERT_TRUE(store_->remove_channel("cli", "duty"));
  EXPECT_GT(store_->add_channel("cli", mail())->number, first);
  EXPECT_FALSE(store_->channel_secrets(first));
}

TEST_F(StoredChannels, ThereAreOnlySoMany) {
  for (std::size_t i = 0; i < kChannelsMax; ++i)
    ASSERT_TRUE(store_->add_channel("cli", robot("c" + std::to_string(i))));
  EXPECT_EQ(store_->add_channel("cli", robot("more")).error().code, base::Errc::kResourceExhausted);
}

TEST_F(StoredChannels, RoutesGoWithTheirChannel) {
  ASSERT_TRUE(store_->add_channel("cli", robot()));
  ASSERT_TRUE(store_->add_channel("cli", mail()));
  RouteSpec spec;
  spec.channel = "group";
  spec.rules = {"leak", "tamper"};
  spec.severity = "urgent";
  spec.quiet = QuietHours{minutes(22 * 60), minutes(7 * 60)};
  spec.escalate_after = minutes(30);
  const auto route = store_->add_route("cli", spec);
  ASSERT_TRUE(route) << route.error().text;
  spec.channel = "duty";
  ASSERT_TRUE(store_->add_route("cli", spec));
  const auto routes = *store_->routes();
  ASSERT_EQ(routes.size(), 2U);
  EXPECT_THAT(routes[0].spec.rules, ElementsAre("leak", "tamper"));
  EXPECT_EQ(routes[0].spec.quiet, spec.quiet);
  EXPECT_EQ(routes[0].spec.escalate_after, minutes(30));
  ASSERT_TRUE(store_->remove_channel("cli", "group"));
  ASSERT_EQ(store_->routes()->size(), 1U);
  ASSERT_TRUE(store_->remove_route("cli", routes[1].number));
  EXPECT_EQ(store_->remove_route("cli", routes[1].number).error().code, base::Errc::kNotFound);
}

TEST_F(StoredChannels, ATenantsChannelTakesNoRouteOfAnother) {
  ASSERT_TRUE(store_->add_tenant("test", "Chengdu Gas"));
  auto channel = robot();
  channel.tenant = "Chengdu Gas";
  ASSERT_TRUE(store_->add_channel("cli", channel));
  RouteSpec spec;
  spec.channel = "group";
  spec.tenant = "Chongqing Gas";
  EXPECT_EQ(store_->add_route("cli", spec).error().code, base::Errc::kInvalidArgument);
  spec.tenant.clear();
  EXPECT_EQ(store_->add_route("cli", spec)->spec.tenant, "Chengdu Gas") << "all of a tenant's channel are its own";
  channel.tenant = "Chongqing Gas";
  EXPECT_EQ(store_->change_channel("cli", channel).error().code, base::Errc::kPrecondition);
}

TEST_F(StoredChannels, RefuseRoutesThatMeanNothing) {
  ASSERT_TRUE(store_->add_channel("cli", robot()));
  const auto refused = [&](auto change) {
    RouteSpec spec;
    spec.channel = "group";
    change(spec);
    return !store_->add_route("cli", spec);
  };
  EXPECT_TRUE(refused([](RouteSpec& s) { s.channel = "nobody"; }));
  EXPECT_TRUE(refused([](RouteSpec& s) { s.rules = {"Leak,tamper"}; }));
  EXPECT_TRUE(refused([](RouteSpec& s) { s.severity = "loud"; }));
  EXPECT_TRUE(refused([](RouteSpec& s) { s.events = "never"; }));
  EXPECT_TRUE(refused([](RouteSpec& s) { s.quiet = QuietHours{minutes(60), minutes(60)}; }));
  EXPECT_TRUE(refused([](RouteSpec& s) { s.quiet = QuietHours{minutes(60), minutes(1440)}; }));
  EXPECT_TRUE(refused([](RouteSpec& s) { s.escalate_after = minutes(-1); }));
  EXPECT_FALSE(refused([](RouteSpec&) {}));
}

TEST_F(StoredChannels, EveryEditLeavesAnAuditEntryAndAChange) {
  const auto before = *store_->last_change();
  ASSERT_TRUE(store_->add_channel("cli", robot()));
  auto changed = robot();
  changed.enabled = false;
  ASSERT_TRUE(store_->change_channel("office", changed));
  RouteSpec route;
  route.channel = "group";
  ASSERT_TRUE(store_->add_route("cli", route));
  ASSERT_TRUE(store_->note_channel("cli", "channel.test", "group", "sent"));
  ASSERT_TRUE(store_->remove_channel("cli", "group"));
  EXPECT_THAT(audit(),
              ElementsAre("cli channel.add group enabled", "office channel.change group disabled",
                          "cli route.add 1 group", "cli channel.test group sent", "cli channel.remove group disabled"));
  const auto changes = *store_->changes(before, 100);
  EXPECT_EQ(std::ranges::count(changes, Change::Kind::kMessages, &Change::kind), 4);
}

}  // namespace
}  // namespace meterhub::registry
