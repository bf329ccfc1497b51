#include <meterhub/base/settings.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <meterhub/base/assert.h>

namespace meterhub::base {

namespace {

// Edits that turn one text into the other (Levenshtein).
std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t swap = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({swap, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string environment_name(std::string_view name) {
  std::string out = "MH_";
  for (const char c : name) {
    out.push_back(c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  }
  return out;
}

std::string_view kind_name(SettingKind kind) {
  switch (kind) {
    case SettingKind::kBool: return "true or false";
    case SettingKind::kInt: return "a whole number";
    case SettingKind::kText: return "a text";
    case SettingKind::kDuration: return "a duration in quotes, such as \"30s\" or \"7d\"";
    case SettingKind::kBytes: return "a size in quotes, such as \"64KiB\" or \"30GB\"";
    case SettingKind::kList: return "a list of texts, such as [\"a\", \"b\"]";
    case SettingKind::kDecimal: return "a number";
  }
  return "";
}

Result<SettingValue> list_from(const toml::array& array) {
  std::vector<std::string> items;
  for (const auto& node : array) {
    const auto item = node.value_exact<std::string>();
    if (!item) return fail(Errc::kInvalidArgument, fmt::format("must be {}", kind_name(SettingKind::kList)));
    items.push_back(*item);
  }
  return SettingValue(std::move(items));
}

Result<SettingValue> value_from(const toml::node& node, SettingKind kind) {
  if (kind == SettingKind::kBool && node.is_boolean()) return SettingValue(node.as_boolean()->get());
  if (kind == SettingKind::kInt && node.is_integer()) return SettingValue(node.as_integer()->get());
  // 5 is written for 5.0 without a thought.
  if (kind == SettingKind::kDecimal && node.is_number() && std::isfinite(*node.value<double>()))
    return SettingValue(*node.value<double>());
  if (kind == SettingKind::kList && node.is_array()) return list_from(*node.as_array());
  const bool quoted = kind == SettingKind::kText || kind == SettingKind::kDuration || kind == SettingKind::kBytes;
  if (quoted && node.is_string()) return parse_setting(kind, node.as_string()->get());
  return fail(Errc::kInvalidArgument, fmt::format("must be {}", kind_name(kind)));
}

std::string toml_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
    } else {
      out.push_back(c);
    }
  }
  return out + '"';
}

// With a point, as TOML tells numbers of this kind.
std::string decimal_text(double value) {
  auto out = fmt::format("{}", value);
  return out.find_first_of(".e") == std::string::npos ? out + ".0" : out;
}

std::string toml_value(const SettingValue& value) {
  return std::visit(
      [](const auto& v) -> std::string {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, bool>) return v ? "true" : "false";
        if constexpr (std::is_same_v<T, std::int64_t>) return std::to_string(v);
        if constexpr (std::is_same_v<T, double>) return decimal_text(v);
        if constexpr (std::is_same_v<T, std::string>) return toml_text(v);
        if constexpr (std::is_same_v<T, std::chrono::milliseconds>) return toml_text(duration_text(v));
        if constexpr (std::is_same_v<T, std::uint64_t>) return toml_text(byte_size_text(v));
        if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          std::string items;
          for (const auto& item : v) items += (items.empty() ? "" : ", ") + toml_text(item);
          return "[" + items + "]";
        }
      },
      value);
}

std::string section_of(std::string_view name) { return std::string(name.substr(0, name.rfind('.'))); }
std::string key_of(std::string_view name) { return std::string(name.substr(name.rfind('.') + 1)); }

SettingValue initial_value(const Setting& setting) {
  auto value = parse_setting(setting.kind, setting.initial);
  MH_ASSERT(value.has_value());
  return std::move(*value);
}

}  // namespace

void SettingsTable::section(std::string name, std::string sentence) {
  sections_.emplace_back(std::move(name), std::move(sentence));
}

void SettingsTable::scopes(std::string section, std::vector<std::string> names) {
  MH_ASSERT(std::ranges::find(sections_, section, &std::pair<std::string, std::string>::first) != sections_.end());
  scopes_[std::move(section)] = std::move(names);
}

void SettingsTable::named(std::string section, std::size_t most, std::function<std::string(std::string_view)> check) {
  MH_ASSERT(std::ranges::find(sections_, section, &std::pair<std::string, std::string>::first) != sections_.end());
  names_[std::move(section)] = {most, std::move(check)};
}

const SettingsTable::Names* SettingsTable::names_of(std::string_view section) const {
  const auto found = names_.find(section);
  return found == names_.end() ? nullptr : &found->second;
}

const std::vector<std::string>& SettingsTable::scopes_of(std::string_view section) const {
  static const std::vector<std::string> kNone;
  const auto found = scopes_.find(section);
  return found == scopes_.end() ? kNone : found->second;
}

void SettingsTable::add(Setting setting) {
  MH_ASSERT(setting.name.contains('.') && find(setting.name) == nullptr);
  const auto value = initial_value(setting);
  MH_ASSERT(!setting.check || setting.check(value).empty());
  settings_.push_back(std::move(setting));
}

const Setting* SettingsTable::find(std::string_view name) const {
  const auto found = std::ranges::find(settings_, name, &Setting::name);
  return found == settings_.end() ? nullptr : &*found;
}

namespace {

// The text that `text` may be a slip of; empty when none is near.
std::string nearest_of(std::string_view text, const std::vector<std::string>& known) {
  std::string best;
  std::size_t least = text.size() / 2 + 1;
  for (const auto& one : known) {
    const auto distance = edits(text, one);
    if (distance >= least) continue;
    least = distance;
    best = one;
  }
  return best;
}

}  // namespace

std::string SettingsTable::nearest(std::string_view name) const {
  std::vector<std::string> names;
  for (const auto& setting : settings_) names.push_back(setting.name);
  return nearest_of(name, names);
}

std::string SettingsTable::nearest_variable(std::string_view variable) const {
  std::vector<std::string> names;
  for (const auto& setting : settings_) names.push_back(environment_name(setting.name));
  return nearest_of(variable, names);
}

// Collects values from all sources, and every mistake found on the way.
class SettingsReader {
 public:
  explicit SettingsReader(const SettingsTable& table) : table_(table) {
    for (const auto& setting : table.all()) {
      settings_.values_[setting.name] = {initial_value(setting), "default"};
    }
  }

  void read_file(const std::string& path) {
    file_ = std::filesystem::path(path).filename().string();
    try {
      walk(toml::parse_file(path), "");
    } catch (const toml::parse_error& error) {
      mistake(at(error.source()), std::string(error.description()));
    }
  }

  void read_environment(const std::map<std::string, std::string>& variables) {
    std::map<std::string, const Setting*> known;
    for (const auto& setting : table_.all()) known[environment_name(setting.name)] = &setting;
    for (const auto& [variable, text] : variables) {
      const auto found = known.find(variable);
      if (found == known.end()) {
        mistake(variable, unknown_variable(variable));
      } else {
        take_text(*found->second, text, variable);
      }
    }
  }

  void read_flags(const std::map<std::string, std::string>& flags) {
    for (const auto& [name, text] : flags) {
      if (const auto* setting = table_.find(name)) {
        take_text(*setting, text, "flag");
      } else {
        mistake("flag", unknown(name));
      }
    }
  }

  Result<Settings> result() {
    if (!mistakes_.empty()) return fail(Errc::kInvalidArgument, mistakes_);
    return std::move(settings_);
  }

 private:
  void mistake(const std::string& where, const std::string& what) {
    mistakes_ += (mistakes_.empty() ? "" : "\n") + where + ": " + what;
  }
  std::string at(const toml::source_region& source) const { return fmt::format("{}:{}", file_, source.begin.line); }
  std::string unknown(const std::string& name) const {
    const auto nearest = table_.nearest(name);
    return nearest.empty() ? fmt::format("{}: no such setting", name)
                           : fmt::format("{}: no such setting; nearest is {}", name, nearest);
  }

  std::string unknown_variable(const std::string& variable) const {
    const auto nearest = table_.nearest_variable(variable);
    return nearest.empty() ? "no such setting" : "no such setting; nearest is " + nearest;
  }

  void walk(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const auto name = prefix + std::string(key.str());
      if (node.is_table() && !table_.scopes_of(name).empty()) {
        walk_scoped(*node.as_table(), name, SettingScope(table_.scopes_of(name).size()), 0);
      } else if (node.is_table() && table_.names_of(name) != nullptr) {
        walk_named(*node.as_table(), name, *table_.names_of(name));
      } else if (node.is_table()) {
        walk(*node.as_table(), name + ".");
      } else if (const auto* setting = table_.find(name)) {
        take(*setting, value_from(node, setting->kind), at(node.source()));
      } else {
        mistake(at(key.source()), unknown(name));
      }
    }
  }

  void walk_named(const toml::table& table, const std::string& section, const SettingsTable::Names& names) {
    for (const auto& [key, node] : table) {
      if (!node.is_table()) {
        take_member(key, node, section, {});
        continue;
      }
      const std::string name(key.str());
      const auto objection = names.check(name);
      if (!objection.empty()) mistake(at(key.source()), fmt::format("{}.{}: {}", section, name, objection));
      settings_.names_[section].insert(name);
      for (const auto& [member, value] : *node.as_table()) take_member(member, value, section, {name});
    }
    const auto count = settings_.names_[section].size();
    if (count > names.most) mistake(at(table.source()), fmt::format("{}: {} tables; at most {} may be", section, count, names.most));
  }

  void take_member(const toml::key& key, const toml::node& node, const std::string& section, const SettingScope& scope) {
    const auto name = section + "." + std::string(key.str());
    if (const auto* setting = table_.find(name)) return take(*setting, value_from(node, setting->kind), at(node.source()), scope);
    mistake(at(key.source()), unknown(name));
  }

  // A table of `section`, for `scope`; those from `next` on may still be named in it.
  void walk_scoped(const toml::table& table, const std::string& section, const SettingScope& scope, std::size_t next) {
    const auto& names = table_.scopes_of(section);
    for (const auto& [key, node] : table) {
      const auto name = section + "." + std::string(key.str());
      const auto* setting = table_.find(name);
      const auto which = std::ranges::find(names, key.str());
      if (setting != nullptr) {
        take(*setting, value_from(node, setting->kind), at(node.source()), scope);
      } else if (which == names.end()) {
        mistake(at(key.source()), unknown(name));
      } else if (which < names.begin() + static_cast<std::ptrdiff_t>(next)) {
        mistake(at(key.source()), fmt::format("{}: tables are nested as {}.{}.NAME", name, section, fmt::join(names, ".NAME.")));
      } else {
        walk_scope(node, section, scope, static_cast<std::size_t>(which - names.begin()));
      }
    }
  }

  void walk_scope(const toml::node& node, const std::string& section, SettingScope scope, std::size_t which) {
    const auto name = section + "." + table_.scopes_of(section)[which];
    if (!node.is_table()) return mistake(at(node.source()), fmt::format("{}: write a table, as [{}.\"NAME\"]", name, name));
    for (const auto& [key, inner] : *node.as_table()) {
      scope[which] = std::string(key.str());
      if (inner.is_table() && !key.str().empty()) {
        walk_scoped(*inner.as_table(), section, scope, which + 1);
      } else {
        mistake(at(key.source()), fmt::format("{}: write a table, as [{}.\"NAME\"]", name, name));
      }
    }
  }

  void take_text(const Setting& setting, const std::string& text, const std::string& source) {
    take(setting, parse_setting(setting.kind, text), source);
  }

  // The value itself is not in the text: it may be a secret.
  void take(const Setting& setting, Result<SettingValue> value, const std::string& source, const SettingScope& scope = {}) {
    if (!value) return mistake(source, setting.name + ": " + value.error().text);
    const auto objection = setting.check ? setting.check(*value) : std::string();
    if (!objection.empty()) return mistake(source, setting.name + ": " + objection);
    if (std::ranges::all_of(scope, &std::string::empty)) {
      settings_.values_[setting.name] = {std::move(*value), source};
    } else {
      settings_.scoped_[{setting.name, scope}] = std::move(*value);
    }
  }

  const SettingsTable& table_;
  Settings settings_;
  std::string file_;
  std::string mistakes_;
};

Result<Settings> Settings::load(const SettingsTable& table, const SettingSources& sources) {
  SettingsReader reader(table);
  if (sources.file) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(*sources.file, error)) {
      return fail(Errc::kNotFound, *sources.file + ": no such file");
    }
    reader.read_file(*sources.file);
  }
  reader.read_environment(sources.environment);
  reader.read_flags(sources.flags);
  return reader.result();
}

const Settings::Held& Settings::held(std::string_view name) const {
  const auto found = values_.find(name);
  MH_ASSERT(found != values_.end());
  return found->second;
}

bool Settings::flag(std::string_view name) const { return std::get<bool>(held(name).value); }
std::int64_t Settings::integer(std::string_view name) const { return std::get<std::int64_t>(held(name).value); }
double Settings::decimal(std::string_view name) const { return std::get<double>(held(name).value); }
const std::string& Settings::text(std::string_view name) const { return std::get<std::string>(held(name).value); }
std::chrono::milliseconds Settings::duration(std::string_view name) const {
  return std::get<std::chrono::milliseconds>(held(name).value);
}
std::uint64_t Settings::bytes(std::string_view name) const { return std::get<std::uint64_t>(held(name).value); }
const std::vector<std::string>& Settings::list(std::string_view name) const {
  return std::get<std::vector<std::string>>(held(name).value);
}
const std::string& Settings::source(std::string_view name) const { return held(name).source; }

const SettingValue* Settings::given(std::string_view name, const SettingScope& scope) const {
  const auto found = scoped_.find({std::string(name), scope});
  return found == scoped_.end() ? nullptr : &found->second;
}

const SettingValue& Settings::value(std::string_view name, const SettingScope& scope) const {
  MH_ASSERT(scope.size() < 8);
  // Bit i of `named`: the table names scope i.
  for (unsigned named = (1U << scope.size()) - 1; named > 0; --named) {
    SettingScope table(scope.size());
    for (std::size_t i = 0; i < scope.size(); ++i) {
      if ((named >> i & 1U) != 0) table[i] = scope[i];
    }
    if (const auto* value = given(name, table)) return *value;
  }
  return held(name).value;
}

std::vector<SettingScope> Settings::scopes_in(std::string_view section) const {
  std::vector<SettingScope> out;
  for (const auto& [key, value] : scoped_) {
    if (section_of(key.first) == section) out.push_back(key.second);
  }
  std::ranges::sort(out);
  const auto repeated = std::ranges::unique(out);
  out.erase(repeated.begin(), repeated.end());
  return out;
}

std::vector<std::string> Settings::names_in(std::string_view section) const {
  const auto found = names_.find(section);
  return found == names_.end() ? std::vector<std::string>() : std::vector<std::string>(found->second.begin(), found->second.end());
}

std::map<std::string, std::string> settings_environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (!text.starts_with("MH_") || equals == std::string_view::npos) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

namespace {

std::string current_text(const Setting& setting, const Settings* settings) {
  const bool changed = settings != nullptr && settings->source(setting.name) != "default";
  if (setting.secret) return fmt::format("# {} = \"(secret)\"\n", key_of(setting.name));
  if (!changed) return fmt::format("# {} = {}\n", key_of(setting.name), toml_value(initial_value(setting)));
  const auto value = [&]() -> SettingValue {
    switch (setting.kind) {
      case SettingKind::kBool: return settings->flag(setting.name);
      case SettingKind::kInt: return settings->integer(setting.name);
      case SettingKind::kText: return settings->text(setting.name);
      case SettingKind::kDuration: return settings->duration(setting.name);
      case SettingKind::kBytes: return settings->bytes(setting.name);
      case SettingKind::kList: return settings->list(setting.name);
      case SettingKind::kDecimal: return settings->decimal(setting.name);
    }
    return {};
  }();
  return fmt::format("{} = {}\n", key_of(setting.name), toml_value(value));
}

std::string scope_heading(const SettingsTable& table, const std::string& section, const SettingScope& scope) {
  std::string out = section;
  const auto& names = table.scopes_of(section);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!scope[i].empty()) out += "." + names[i] + "." + toml_text(scope[i]);
  }
  return out;
}

// A table below its section: what the file gives in it.
std::string inner_table(const SettingsTable& table, const std::string& section, const std::string& heading,
                        const SettingScope& scope, const Settings& settings) {
  std::string out = fmt::format("\n[{}]\n", heading);
  for (const auto& setting : table.all()) {
    if (section_of(setting.name) != section) continue;
    const auto* value = settings.given(setting.name, scope);
    if (value != nullptr && !setting.secret) out += fmt::format("{} = {}\n", key_of(setting.name), toml_value(*value));
  }
  return out;
}

std::string scoped_text(const SettingsTable& table, const std::string& section, const Settings& settings) {
  std::string out;
  if (table.names_of(section) != nullptr) {
    for (const auto& name : settings.names_in(section)) out += inner_table(table, section, section + "." + toml_text(name), {name}, settings);
    return out;
  }
  for (const auto& scope : settings.scopes_in(section)) out += inner_table(table, section, scope_heading(table, section, scope), scope, settings);
  return out;
}

}  // namespace

std::string settings_file(const SettingsTable& table, const Settings* settings) {
  std::string out =
      "# Meterhub's settings. Lines that begin with '#' show the defaults.\n"
      "# Durations: ms, s, m, h, d. Sizes: B, KB, MB, GB, TB and KiB, MiB, GiB, TiB.\n"
      "# Environment MH_SECTION_KEY and flags go over this file.\n";
  for (const auto& [section, sentence] : table.sections()) {
    out += fmt::format("\n# {}\n[{}]\n", sentence, section);
    for (const auto& setting : table.all()) {
      if (section_of(setting.name) != section) continue;
      out += fmt::format("# {}\n{}", setting.sentence, current_text(setting, settings));
    }
    if (settings != nullptr) out += scoped_text(table, section, *settings);
  }
  return out;
}

}  // namespace meterhub::base
