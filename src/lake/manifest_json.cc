#include <nlohmann/json.hpp>

#include <meterhub/lake/manifest.h>

namespace meterhub::lake {
namespace {

using nlohmann::json;
using base::Errc;

constexpr int kVersion = 1;

std::vector<unsigned> numbers(const std::vector<base::Shard>& shards) {
  std::vector<unsigned> values;
  for (const auto shard : shards) values.push_back(shard.value);
  return values;
}

json to_json(const FreshFile& file) {
  return {{"path", file.path},
          {"hour", text_of(file.hour)},
          {"partition", file.partition.value},
          {"rows", file.rows},
          {"by_identity", file.by_identity},
          {"shards", numbers(file.shards)}};
}

json to_json(const PlacedFile& file) {
  json out{{"path", file.path}, {"hour", text_of(file.hour)}, {"shard", file.shard.value}, {"rows", file.rows}};
  if (!file.staged.empty()) out["staged"] = file.staged;
  if (file.record != 0) out["record"] = file.record;
  return out;
}

json to_json(const ChangesFile& file) {
  return {{"path", file.path}, {"partition", file.partition.value}, {"rows", file.rows}};
}

template <class T>
json list_of(const std::vector<T>& files) {
  json list = json::array();
  for (const T& file : files) list.push_back(to_json(file));
  return list;
}

// The readers below throw nlohmann's exceptions and this one; guarded() turns them into errors.
struct Malformed : std::exception {
  std::string text;
  explicit Malformed(std::string t) : text(std::move(t)) {}
  const char* what() const noexcept override { return text.c_str(); }
};

Hour hour_in(const json& in) {
  auto hour = parse_hour(in.at("hour").get<std::string>());
  if (!hour) throw Malformed(hour.error().text);
  return *hour;
}

base::Shard shard_in(const json& in) {
  const auto shard = in.get<std::uint32_t>();
  if (shard >= base::kShards) throw Malformed("there is no shard " + std::to_string(shard));
  return base::Shard(static_cast<std::uint8_t>(shard));
}

// Paths come from a file anybody may have edited: they stay below the lake.
std::string path_in(const json& in) {
  auto path = in.get<std::string>();
  if (path.empty() || path.front() == '/' || path.contains("..")) throw Malformed("'" + path + "' leaves the lake");
  return path;
}

FreshFile fresh_from(const json& in) {
  FreshFile file{.path = path_in(in.at("path")),
                 .hour = hour_in(in),
                 .partition = base::PartitionId(in.at("partition").get<std::uint32_t>()),
                 .rows = in.at("rows").get<std::uint64_t>(),
                 .by_identity = in.at("by_identity").get<bool>(),
                 .shards = {}};
  for (const auto& shard : in.at("shards")) file.shards.push_back(shard_in(shard));
  return file;
}

PlacedFile placed_from(const json& in) {
  return {.path = path_in(in.at("path")),
          .hour = hour_in(in),
          .shard = shard_in(in.at("shard")),
          .rows = in.at("rows").get<std::uint64_t>(),
          .staged = in.contains("staged") ? path_in(in.at("staged")) : std::string(),
          .record = in.value("record", std::uint64_t{0})};
}

// Records and checkpoints of before have none.
std::vector<ChangesFile> changes_in(const json& in) {
  std::vector<ChangesFile> out;
  if (!in.contains("changes")) return out;
  for (const auto& file : in.at("changes")) {
    out.push_back({.path = path_in(file.at("path")),
                   .partition = base::PartitionId(file.at("partition").get<std::uint32_t>()),
                   .rows = file.at("rows").get<std::uint64_t>()});
  }
  return out;
}

void check_version(const json& in) {
  const int version = in.at("version").get<int>();
  if (version != kVersion) throw Malformed("version " + std::to_string(version) + " is not known here");
}

template <class F>
auto guarded(const char* what, F&& read) -> base::Result<decltype(read())> {
  try {
    return read();
  } catch (const std::exception& error) {
    return base::fail(Errc::kCorrupt, std::string(what) + ": " + error.what());
  }
}

std::uint32_t partitions_in(const json& in) {
  const auto partitions = in.at("partitions").get<std::uint32_t>();
  if (partitions > base::kShards) throw Malformed("more partitions than shards");
  return partitions;
}

Record record_from(const json& in) {
  check_version(in);
  Record record;
  record.owner.partition = base::PartitionId(in.at("partition").get<std::uint32_t>());
  record.owner.partitions = partitions_in(in);
  if (record.owner.partition.value >= record.owner.partitions) throw Malformed("there is no such partition");
  record.owner.epoch = base::Epoch(in.at("epoch").get<std::uint64_t>());
  record.from = base::Offset(in.at("from").get<std::uint64_t>());
  record.to = base::Offset(in.at("to").get<std::uint64_t>());
  for (const auto& file : in.at("fresh")) record.fresh.push_back(fresh_from(file));
  for (const auto& file : in.at("base")) {
    record.base.push_back(placed_from(file));
    // A checkpoint keeps hour and shard alone.
    const auto& object = record.base.back();
    if (object.path != base_path(object.hour, object.shard)) throw Malformed("'" + object.path + "' is not the object of its hour and shard");
  }
  for (const auto& file : in.at("late")) record.late.push_back(placed_from(file));
  for (const auto& path : in.at("drop")) record.drop.push_back(path_in(path));
  record.changes = changes_in(in);
  return record;
}

json hour_json(Hour hour, const State::HourFiles& files) {
  json rows = json::object();
  json staged = json::object();
  json records = json::object();
  for (const auto& [shard, file] : files.base) {
    rows[std::to_string(shard.value)] = file.rows;
    if (file.record != 0) records[std::to_string(shard.value)] = file.record;
    if (!file.staged.empty()) staged[std::to_string(shard.value)] = file.staged;
  }
  json out{{"hour", text_of(hour)}, {"rows", rows}};
  if (!staged.empty()) out["staged"] = staged;
  if (!records.empty()) out["records"] = records;
  if (!files.late.empty()) out["late"] = list_of(files.late);
  return out;
}

void read_hour(State& state, const json& in) {
  const Hour hour = hour_in(in);
  State::HourFiles& files = state.hours[hour];
  const json none = json::object();
  const json& staged = in.contains("staged") ? in.at("staged") : none;
  const json& records = in.contains("records") ? in.at("records") : none;
  for (const auto& [key, rows] : in.at("rows").items()) {
    const base::Shard shard = shard_in(json::parse(key));
    files.base[shard] = {.path = base_path(hour, shard),
                         .hour = hour,
                         .shard = shard,
                         .rows = rows.get<std::uint64_t>(),
                         .staged = staged.contains(key) ? path_in(staged.at(key)) : std::string(),
                         .record = records.value(key, std::uint64_t{0})};
  }
  if (!in.contains("late")) return;
  for (const auto& file : in.at("late")) files.late.push_back(placed_from(file));
}

State state_from(const json& in) {
  check_version(in);
  State state;
  state.sequence = in.at("sequence").get<std::uint64_t>();
  state.partitions = partitions_in(in);
  const json& shards = in.at("shards");
  if (shards.size() != base::kShards) throw Malformed("not 64 shards");
  for (std::size_t s = 0; s < base::kShards; ++s) {
    state.shards[s].epoch = base::Epoch(shards.at(s).at("epoch").get<std::uint64_t>());
    state.shards[s].next = base::Offset(shards.at(s).at("next").get<std::uint64_t>());
  }
  for (const auto& entry : in.at("fresh")) {
    FreshFile file = fresh_from(entry);
    state.fresh[file.path] = file;
  }
  for (const auto& entry : in.at("hours")) read_hour(state, entry);
  for (auto& file : changes_in(in)) state.changes[file.path] = file;
  return state;
}

}  // namespace

std::string record_json(const Record& record, std::uint64_t sequence) {
  json out{{"version", kVersion},
           {"sequence", sequence},
           {"partition", record.owner.partition.value},
           {"partitions", record.owner.partitions},
           {"shards", numbers(record.owner.shards())},
           {"epoch", record.owner.epoch.value},
           {"from", record.from.value},
           {"to", record.to.value},
           {"fresh", list_of(record.fresh)},
           {"base", list_of(record.base)},
           {"late", list_of(record.late)},
           {"drop", record.drop}};
  if (!record.changes.empty()) out["changes"] = list_of(record.changes);
  return out.dump() + "\n";
}

base::Result<Record> parse_record(std::string_view text) {
  return guarded("manifest record", [&] { return record_from(json::parse(text)); });
}

std::string checkpoint_json(const State& state) {
  json shards = json::array();
  for (const auto& shard : state.shards) shards.push_back({{"epoch", shard.epoch.value}, {"next", shard.next.value}});
  json fresh = json::array();
  for (const auto& [path, file] : state.fresh) fresh.push_back(to_json(file));
  json hours = json::array();
  for (const auto& [hour, files] : state.hours) hours.push_back(hour_json(hour, files));
  json out{{"version", kVersion},
           {"sequence", state.sequence},
           {"partitions", state.partitions},
           {"shards", shards},
           {"fresh", fresh},
           {"hours", hours}};
  for (const auto& [path, file] : state.changes) out["changes"].push_back(to_json(file));
  return out.dump() + "\n";
}

base::Result<State> parse_checkpoint(std::string_view text) {
  return guarded("manifest checkpoint", [&] { return state_from(json::parse(text)); });
}

}  // namespace meterhub::lake
