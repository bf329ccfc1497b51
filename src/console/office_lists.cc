#include <meterhub/console/office_lists.h>

#include <charconv>
#include <memory>
#include <ranges>

#include <nlohmann/json.hpp>

#include <meterhub/base/json_text.h>
#include <meterhub/base/time_text.h>
#include <meterhub/tables/episodes.h>

#include "area_lists.h"
#include "completeness_days.h"
#include "completeness_list.h"
#include "episode_list.h"

namespace meterhub::console {
namespace {

using alarm::Outcome;
using http::Method;
using http::Reply;
using http::Request;
using http::Response;
using nlohmann::json;

// Refusals that an answer lists; the rest is counted.
constexpr std::size_t kRefusalsShown = 100;
constexpr std::size_t kHistoryShown = 1'000;
constexpr std::size_t kPersonMax = 60;

base::Result<json> body_of(const Request& request) {
  if (request.body.empty()) return json::object();
  auto body = json::parse(request.body, nullptr, false);
  if (body.is_discarded() || !body.is_object())
    return base::fail(base::Errc::kInvalidArgument, "the body is a JSON object");
  for (const auto& [name, value] : body.items()) {
    if (name != "ids" && name != "owner" && name != "text" && name != "until" && name != "all" && name != "by")
      return base::fail(base::Errc::kInvalidArgument,
                        "there is no member " + name + ": ids, owner, text, until, all, by");
  }
  return body;
}

base::Result<std::string> text_of(const json& body, const char* name, bool needed) {
  const auto found = body.find(name);
  if (found == body.end() && !needed) return std::string();
  if (found == body.end() || !found->is_string())
    return base::fail(base::Errc::kInvalidArgument, std::string(name) + ": a text is needed");
  return found->get<std::string>();
}

base::Result<std::vector<alarm::EpisodeId>> ids_of(const json& list) {
  std::vector<alarm::EpisodeId> out;
  if (!list.is_array()) return base::fail(base::Errc::kInvalidArgument, "ids: a list of numbers");
  for (const auto& id : list) {
    if (!id.is_number_unsigned()) return base::fail(base::Errc::kInvalidArgument, "ids: a list of numbers");
    out.emplace_back(id.get<std::uint64_t>());
  }
  return out;
}

// Who did it: the key, and the name of the person behind it where the page or program tells one.
base::Result<std::string> who_of(const Caller& caller, const json& body) {
  const auto person = MH_TRY(text_of(body, "by", false));
  if (person.size() > kPersonMax) return base::fail(base::Errc::kInvalidArgument, "by: a name of at most 60 bytes");
  return person.empty() ? caller.actor : caller.actor + ':' + person;
}

// What is to be acted on: numbers, or all that the query string admits; all there are only when that is said.
base::Result<alarm::Filter> which_of(const Request& request, const json& body, const Caller& caller,
                                     const OfficeView& view) {
  const auto query = MH_TRY(parse_list_query(request, episode_list_form()));
  auto filter = MH_TRY(episode_filter(query, caller, view));
  if (const auto ids = body.find("ids"); ids != body.end()) {
    filter.ids = MH_TRY(ids_of(*ids));
  } else if (query.filters.empty() && !body.value("all", json(false)).is_boolean()) {
    return base::fail(base::Errc::kInvalidArgument, "all: true or false");
  } else if (query.filters.empty() && !body.value("all", false)) {
    return base::fail(base::Errc::kInvalidArgument,
                      "which ones? Name them in ids, filter them in the query string, or say \"all\": true");
  }
  return filter;
}

using Deed = std::move_only_function<base::Result<Outcome>(alarm::Episodes&, const alarm::Filter&, alarm::By)>;

base::Result<Deed> deed_of(std::string_view action, const json& body) {
  if (action == "acknowledge")
    return Deed([](auto& episodes, const auto& which, auto by) { return episodes.acknowledge(which, by); });
  if (action == "unshelve")
    return Deed([](auto& episodes, const auto& which, auto by) { return episodes.unshelve(which, by); });
  if (action == "assign") {
    return Deed([owner = MH_TRY(text_of(body, "owner", true))](auto& episodes, const auto& which, auto by) {
      return episodes.assign(which, by, owner);
    });
  }
  if (action == "comment") {
    return Deed([text = MH_TRY(text_of(body, "text", true))](auto& episodes, const auto& which, auto by) {
      return episodes.comment(which, by, text);
    });
  }
  if (action == "clear") {
    return Deed([text = MH_TRY(text_of(body, "text", true))](auto& episodes, const auto& which, auto by) {
      return episodes.clear(which, by, text);
    });
  }
  if (action == "shelve") {
    const auto until = base::parse_rfc3339(MH_TRY(text_of(body, "until", true)));
    if (!until) return base::fail(base::Errc::kInvalidArgument, "until: a time, as 2026-12-24T08:00:00Z");
    return Deed(
        [at = until->at](auto& episodes, const auto& which, auto by) { return episodes.shelve(which, by, at); });
  }
  return base::fail(base::Errc::kNotFound,
                    "there is no such action: acknowledge, assign, comment, shelve, unshelve, clear");
}

std::string outcome_json(const Outcome& outcome) {
  std::string out = "{\"done\":" + std::to_string(outcome.done) +
                    ",\"refused\":" + std::to_string(outcome.refused.size()) + ",\"refusals\":[";
  for (const auto& [id, why] : outcome.refused | std::views::take(kRefusalsShown)) {
    if (out.back() == '}') out += ',';
    out += "{\"id\":" + std::to_string(id.value) + ",\"why\":\"" + std::string(alarm::name(why)) + "\"}";
  }
  return out + "]}";
}

template <std::size_t N>
void append_counts(std::string& out, std::string_view head, const alarm::Names<N>& names,
                   const std::array<std::uint64_t, N>& counts) {
  out += head;
  for (std::size_t i = 0; i < N; ++i) {
    if (i > 0) out += ',';
    out += '"' + std::string(names[i]) + "\":" + std::to_string(counts[i]);
  }
  out += '}';
}

std::string counts_json(const alarm::Counts& counts) {
  std::string out = "{\"open\":" + std::to_string(counts.open);
  append_counts(out, ",\"by_rule\":{", alarm::kRuleNames, counts.by_rule);
  append_counts(out, ",\"by_severity\":{", alarm::kSeverityNames, counts.by_severity);
  append_counts(out, ",\"by_state\":{", alarm::kStateNames, counts.by_state);
  return out + '}';
}

void append_entry(std::string& out, const alarm::HistoryEntry& entry) {
  out += "{\"time\":\"" + base::rfc3339(entry.at) + "\",\"who\":";
  base::append_json_string(out, entry.who);
  out += ",\"what\":\"" + std::string(alarm::name(entry.what)) + "\",\"from\":\"" +
         std::string(alarm::name(entry.from)) + "\",\"to\":\"" + std::string(alarm::name(entry.to)) + "\",\"text\":";
  base::append_json_string(out, entry.text);
  out += '}';
}

// On a thread that can wait: an episode and what was done to it.
base::Result<std::string> episode_with_history(const OfficeView& view, alarm::EpisodeId id, const Caller& caller,
                                               std::optional<alarm::Episode> episode) {
  std::vector<tables::StoredHistory> history;
  const auto read = view.database.read([&](db::Connection& connection) -> base::Result<void> {
    if (!episode) episode = MH_TRY(tables::find_episode(connection, id));
    history = MH_TRY(tables::read_history(connection, id, 0, kHistoryShown));
    return {};
  });
  if (!read) return std::unexpected(read.error());
  if (!episode || !caller.sees(episode->tenant)) return base::fail(base::Errc::kNotFound, "there is no such episode");
  std::string out = episode_json(*episode, view.directory);
  out.back() = ',';
  out += "\"history\":[";
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (i > 0) out += ',';
    append_entry(out, history[i].entry);
  }
  return out + "]}";
}

base::Result<alarm::EpisodeId> id_of(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return base::fail(base::Errc::kNotFound, "there is no such episode");
  return alarm::EpisodeId(value);
}

void answer_act(const OfficeView& view, const Request& request, base::Timestamp now, Reply reply) {
  const auto caller = caller_of(request);
  struct Asked {
    alarm::Filter filter;
    Deed deed;
    std::string who;
  };
  auto asked = [&]() -> base::Result<Asked> {
    const auto body = MH_TRY(body_of(request));
    auto deed = MH_TRY(deed_of(request.param("action"), body));
    auto filter = MH_TRY(which_of(request, body, caller, view));
    return Asked{std::move(filter), std::move(deed), MH_TRY(who_of(caller, body))};
  }();
  if (!asked) return std::move(reply).send(Response::error(asked.error()));
  view.act([asked = std::move(*asked),
            now](alarm::Episodes& episodes) mutable { return asked.deed(episodes, asked.filter, {asked.who, now}); },
           [reply = std::move(reply)](const base::Result<Outcome>& outcome) mutable {
             if (!outcome) return std::move(reply).send(Response::error(outcome.error()));
             std::move(reply).send(Response::json(200, outcome_json(*outcome)));
           });
}

void answer_episode(const std::shared_ptr<const OfficeView>& view, const Request& request, Reply reply) {
  const auto id = id_of(request.param("id"));
  if (!id) return std::move(reply).send(Response::error(id.error()));
  const auto* const open = view->episodes.find(*id);
  view->waiting.post([view, id = *id, caller = caller_of(request), reply = std::move(reply),
                      episode = open != nullptr ? std::optional(*open) : std::nullopt]() mutable {
    auto body = episode_with_history(*view, id, caller, std::move(episode));
    if (!body) return std::move(reply).send(Response::error(body.error()));
    std::move(reply).send(Response::json(200, std::move(*body)));
  });
}

}  // namespace

void add_office_lists(Console& console, OfficeView of) {
  const auto view = std::make_shared<const OfficeView>(std::move(of));
  // Sources hold it by their lifetime: one of them owns it.
  const auto keep = [view](ListSource source) {
    return [view, source = std::move(source)](const ListQuery& query, const Caller& caller, const ListWindow& window) {
      return source(query, caller, window);
    };
  };
  console.add_list("/api/v1/episodes", episode_list_form(), keep(episode_list(*view)));
  console.add_list("/api/v1/episodes/cleared", cleared_list_form(), keep(cleared_list(*view)), &view->waiting);
  console.add_list("/api/v1/building-status", building_status_form(), keep(building_status_list(*view)));
  console.add_list("/api/v1/district-status", district_status_form(), keep(district_status_list(*view)));
  console.add_list("/api/v1/completeness", completeness_form(), keep(completeness_list(*view)));
  console.add_list("/api/v1/completeness/days", completeness_days_form(), keep(completeness_days(*view)),
                   &view->waiting);
  auto& server = console.server();
  server.route(Method::kGet, "/api/v1/episodes/counts", [view](const Request& request, Reply reply) {
    const auto tenant = caller_of(request).tenant;
    const auto only = tenant ? std::optional(std::vector{*tenant}) : std::nullopt;
    std::move(reply).send(Response::json(200, counts_json(view->episodes.counts(only))));
  });
  server.route(Method::kGet, "/api/v1/episodes/{id}",
               [view](const Request& request, Reply reply) { answer_episode(view, request, std::move(reply)); });
  server.route(Method::kPost, "/api/v1/episodes/{action}", [view](const Request& request, Reply reply) {
    answer_act(*view, request, view->clock.now(), std::move(reply));
  });
}

}  // namespace meterhub::console
