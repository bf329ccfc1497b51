#include <algorithm>
#include <array>

#include <meterhub/registry/store.h>

#include "channel_rows.h"

namespace meterhub::registry {
namespace {

using base::Errc;

constexpr std::size_t kNameMax = 48;
constexpr std::array<std::string_view, 4> kKinds{"smtp", "webhook", "wecom", "dingtalk"};

constexpr std::string_view kColumns =
    "SELECT c.number, c.name, c.tenant, t.name, c.kind, c.language, c.enabled, c.recipients, c.sender, c.server, "
    "c.user_name, c.shown, length(c.secret) > 28, c.created, c.changed FROM channels c LEFT JOIN tenants t ON "
    "t.number = c.tenant WHERE c.name = ?";
constexpr std::string_view kAllColumns =
    "SELECT c.number, c.name, c.tenant, t.name, c.kind, c.language, c.enabled, c.recipients, c.sender, c.server, "
    "c.user_name, c.shown, length(c.secret) > 28, c.created, c.changed FROM channels c LEFT JOIN tenants t ON "
    "t.number = c.tenant ORDER BY c.name";

bool valid_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameMax && std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
}

bool printable(std::string_view text) {
  return text.size() <= kChannelTextMax &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

base::Result<void> wrong(std::string text) { return base::fail(Errc::kInvalidArgument, std::move(text)); }

// What belongs to another kind would be kept and never used.
base::Result<void> check_mail(const ChannelSpec& spec) {
  if (spec.to.empty()) return wrong("name at least one address that mail goes to");
  if (spec.to.size() > kRecipientsMax) return wrong("at most " + std::to_string(kRecipientsMax) + " addresses");
  if (spec.from.empty()) return wrong("name the address that mail comes from");
  if (spec.server.empty()) return wrong("name the mail server, as smtps://mail.example.org:465");
  if (spec.url) return wrong("a mail channel has a server and addresses, no URL");
  return {};
}

base::Result<void> check_post(const ChannelSpec& spec) {
  if (spec.to.empty() && spec.from.empty() && spec.server.empty() && spec.user.empty()) return {};
  return wrong("addresses, server and user are those of a mail channel; this one has a URL");
}

base::Result<void> check(const ChannelSpec& spec) {
  if (!valid_name(spec.name))
    return wrong("a channel's name has 1 to " + std::to_string(kNameMax) + " letters, digits, '-' and '_'");
  if (spec.language != "zh" && spec.language != "en") return wrong("the language is zh or en");
  bool plain = printable(spec.from) && printable(spec.server) && printable(spec.user) &&
               printable(spec.url.value_or("")) && printable(spec.secret.value_or(""));
  for (const auto& address : spec.to) plain = plain && printable(address) && !address.empty();
  if (!plain)
    return wrong("a text of the channel is empty, longer than " + std::to_string(kChannelTextMax) +
                 " bytes, or has control characters");
  return spec.kind == ChannelKind::kSmtp ? check_mail(spec) : check_post(spec);
}

// A URL may hold its secret anywhere behind the host.
std::string shown_of(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == url.npos) return {};
  const auto end = url.find_first_of("/?#", scheme + 3);
  return std::string(url.substr(0, end)) + (end == url.npos || end + 1 == url.size() ? "" : "/…");
}

std::string context(std::string_view name, std::string_view what) {
  return "channels/" + std::string(name) + "/" + std::string(what);
}

Channel channel_of(db::Statement& row) {
  Channel out;
  out.number = ChannelNumber(static_cast<std::uint32_t>(row.integer(0)));
  out.spec.name = row.text(1);
  out.tenant = base::TenantNumber(static_cast<std::uint32_t>(row.integer(2)));
  out.spec.tenant = row.text(3);
  out.spec.kind = parse_channel_kind(row.text(4)).value_or(ChannelKind::kWebhook);
  out.spec.language = row.text(5);
  out.spec.enabled = row.integer(6) != 0;
  out.spec.to = split_list(row.text(7), '\n');
  out.spec.from = row.text(8);
  out.spec.server = row.text(9);
  out.spec.user = row.text(10);
  out.shown = row.text(11);
  out.has_secret = row.integer(12) != 0;
  out.created = row.time(13);
  out.changed = row.time(14);
  return out;
}

base::Result<Channel> read_channel(Store::State& state, std::string_view name) {
  auto row = MH_TRY(state.query(kColumns, name));
  if (MH_TRY(row->step())) return channel_of(*row);
  return base::fail(Errc::kNotFound, "there is no channel '" + std::string(name.substr(0, kNameMax)) + "'");
}

base::Result<void> put_secrets(Store::State& state, const ChannelSpec& spec) {
  if (spec.url) {
    const auto sealed = state.seal(base::as_bytes(*spec.url), context(spec.name, "url"));
    MH_TRY_VOID(state.run("UPDATE channels SET url = ?, shown = ? WHERE name = ?", base::BytesView(sealed),
                          std::string_view(shown_of(*spec.url)), std::string_view(spec.name)));
  }
  if (!spec.secret) return {};
  const auto sealed = state.seal(base::as_bytes(*spec.secret), context(spec.name, "secret"));
  return state.run("UPDATE channels SET secret = ? WHERE name = ?", base::BytesView(sealed),
                   std::string_view(spec.name));
}

base::Result<void> put_fields(Store::State& state, const ChannelSpec& spec, std::int64_t tenant) {
  MH_TRY_VOID(state.run(
      "UPDATE channels SET tenant = nullif(?, 0), language = ?, enabled = ?, recipients = ?, sender = ?, server = ?, "
      "user_name = ?, changed = ? WHERE name = ?",
      tenant, std::string_view(spec.language), std::int64_t{spec.enabled}, std::string_view(joined_list(spec.to, '\n')),
      std::string_view(spec.from), std::string_view(spec.server), std::string_view(spec.user), state.clock.now(),
      std::string_view(spec.name)));
  return put_secrets(state, spec);
}

base::Result<void> check_room(Store::State& state) {
  auto row = MH_TRY(state.query("SELECT count(*) FROM channels"));
  MH_TRY_VOID(row->step());
  if (static_cast<std::size_t>(row->integer(0)) < kChannelsMax) return {};
  return base::fail(Errc::kResourceExhausted,
                    "there are " + std::to_string(kChannelsMax) + " channels, the most there may be");
}

// A route of another tenant would never send anything, and would look as if it did.
base::Result<void> check_routes_fit(Store::State& state, std::int64_t channel, std::int64_t tenant) {
  if (tenant == 0) return {};
  auto row = MH_TRY(
      state.query("SELECT count(*) FROM routes WHERE channel = ? AND coalesce(tenant, 0) <> ?", channel, tenant));
  MH_TRY_VOID(row->step());
  if (row->integer(0) == 0) return {};
  return base::fail(Errc::kPrecondition, "routes of other tenants lead to this channel: remove them first");
}

base::Result<void> note(Store::State& state, const Actor& actor, std::string_view action, const Channel& channel) {
  MH_TRY_VOID(state.note_change(Change::Kind::kMessages, channel.number.value, channel.number.value));
  return state.note_audit(actor, action, channel.spec.name, channel.spec.enabled ? "enabled" : "disabled");
}

}  // namespace

std::string_view channel_kind_name(ChannelKind kind) { return kKinds[std::to_underlying(kind)]; }

base::Result<ChannelKind> parse_channel_kind(std::string_view name) {
  const auto at = std::ranges::find(kKinds, name);
  if (at != kKinds.end()) return static_cast<ChannelKind>(at - kKinds.begin());
  return base::fail(Errc::kInvalidArgument, "a channel is smtp, webhook, wecom or dingtalk");
}

base::Result<std::int64_t> tenant_or_all(Store::State& state, std::string_view name) {
  if (name.empty()) return 0;
  return state.tenant_number(name);
}

base::Result<Channel> Store::add_channel(const Actor& actor, const ChannelSpec& spec) {
  MH_TRY_VOID(check(spec));
  if (spec.kind != ChannelKind::kSmtp && (!spec.url || spec.url->empty())) {
    return base::fail(Errc::kInvalidArgument, "name the URL that messages are posted to");
  }
  return edited(*state_, [&]() -> base::Result<Channel> {
    if (read_channel(*state_, spec.name)) {
      return base::fail(Errc::kAlreadyExists, "there is a channel '" + spec.name + "' already");
    }
    MH_TRY_VOID(check_room(*state_));
    const auto tenant = MH_TRY(tenant_or_all(*state_, spec.tenant));
    MH_TRY_VOID(state_->run(
        "INSERT INTO channels(name, kind, language, enabled, recipients, sender, server, user_name, shown, url, "
        "secret, created, changed) VALUES (?, ?, '', 0, '', '', '', '', '', x'', x'', ?, 0)",
        std::string_view(spec.name), channel_kind_name(spec.kind), state_->clock.now()));
    MH_TRY_VOID(put_fields(*state_, spec, tenant));
    auto out = MH_TRY(read_channel(*state_, spec.name));
    MH_TRY_VOID(note(*state_, actor, "channel.add", out));
    return out;
  });
}

base::Result<Channel> Store::change_channel(const Actor& actor, const ChannelSpec& spec) {
  MH_TRY_VOID(check(spec));
  return edited(*state_, [&]() -> base::Result<Channel> {
    const auto old = MH_TRY(read_channel(*state_, spec.name));
    if (old.spec.kind != spec.kind) {
      return base::fail(Errc::kInvalidArgument, "a channel's kind does not change: remove it and add another");
    }
    const auto tenant = MH_TRY(tenant_or_all(*state_, spec.tenant));
    MH_TRY_VOID(check_routes_fit(*state_, old.number.value, tenant));
    MH_TRY_VOID(put_fields(*state_, spec, tenant));
    auto out = MH_TRY(read_channel(*state_, spec.name));
    MH_TRY_VOID(note(*state_, actor, "channel.change", out));
    return out;
  });
}

base::Result<void> Store::remove_channel(const Actor& actor, std::string_view name) {
  return edited(*state_, [&]() -> base::Result<void> {
    const auto old = MH_TRY(read_channel(*state_, name));
    MH_TRY_VOID(state_->run("DELETE FROM channels WHERE name = ?", name));
    return note(*state_, actor, "channel.remove", old);
  });
}

base::Result<Channel> Store::channel(std::string_view name) const {
  const base::Lock lock(state_->mutex);
  return read_channel(*state_, name);
}

base::Result<std::vector<Channel>> Store::channels() const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query(kAllColumns));
  std::vector<Channel> out;
  while (MH_TRY(row->step())) out.push_back(channel_of(*row));
  return out;
}

base::Result<ChannelSecrets> Store::channel_secrets(ChannelNumber number) const {
  const base::Lock lock(state_->mutex);
  auto row =
      MH_TRY(state_->query("SELECT name, url, secret FROM channels WHERE number = ?", std::int64_t{number.value}));
  if (!MH_TRY(row->step())) return base::fail(Errc::kNotFound, "the channel is no more");
  const std::string name(row->text(0));
  const auto opened = [&](int column, std::string_view what) -> base::Result<std::string> {
    if (row->blob(column).empty()) return std::string();
    const auto plain = MH_TRY(state_->open(row->blob(column), context(name, what)));
    return std::string(plain.begin(), plain.end());
  };
  return ChannelSecrets{MH_TRY(opened(1, "url")), MH_TRY(opened(2, "secret"))};
}

base::Result<void> Store::note_channel(const Actor& actor, std::string_view action, std::string_view name,
                                       std::string_view detail) {
  return edited(*state_, [&] { return state_->note_audit(actor, action, name, detail); });
}

}  // namespace meterhub::registry
