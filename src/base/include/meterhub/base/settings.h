// The platform's settings: one TOML file whose sections are named after modules. Each
// setting is declared once, by its module, in a table that the program hands round;
// the commented default file and the reference page come from that table.
// Order of precedence: default < file < environment MH_SECTION_KEY < flag.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <meterhub/base/result.h>

namespace meterhub::base {

enum class SettingKind : std::uint8_t {
  kBool,      // true
  kInt,       // 5671
  kText,      // "0.0.0.0"
  kDuration,  // "500ms", "30s", "5m", "24h", "7d"
  kBytes,     // "512B", "64KiB", "30GB": KB, MB, GB, TB are powers of 1,000, KiB … of 1,024
  kList,      // ["10.0.0.0/8", "192.168.0.0/16"]; in environment and flags separated by commas
  kDecimal,   // 98.5
};

using SettingValue = std::variant<bool, std::int64_t, std::string, std::chrono::milliseconds, std::uint64_t,
                                  std::vector<std::string>, double>;  // in the order of SettingKind

// One setting as its module declares it.
struct Setting {
  std::string name;      // "hub.amqps_port": section, dot, key; lower-case
  std::string sentence;  // what it does, with what the numbers mean; one sentence
  SettingKind kind = SettingKind::kText;
  std::string initial;   // the default, written as for a flag: "5671", "24h", "a,b"
  // Says why a value of the right kind will not do ("must be below 65536"); empty = it will.
  std::function<std::string(const SettingValue&)> check = {};
  bool secret = false;   // never printed, not even the default
};

// For whom a value is, of a section with scopes: a name for each, in the order of declaration, as {"City Gas", "v1"}.
// An empty name leaves that scope open; all empty is the section itself.
using SettingScope = std::vector<std::string>;

// Every setting of the program, in order of declaration. Filled before threads start.
class SettingsTable {
 public:
  // A section's heading in the default file; before its settings.
  void section(std::string name, std::string sentence);
  // The section's settings may also be given for some only. With {"tenant", "model"} for "rules" the file may hold
  // [rules.tenant."NAME"], [rules.model."NAME"] and [rules.tenant."NAME".model."NAME"]; environment and flags
  // reach the section itself only. After section().
  void scopes(std::string section, std::vector<std::string> names);
  // The file may hold at most `most` tables [SECTION.NAME], each a thing of its own; the section's own values hold for
  // what a table leaves out. `check` says why a name will not do; empty = it will. After section().
  void named(std::string section, std::size_t most, std::function<std::string(std::string_view)> check);
  // A name declared twice or a default that is not of its kind is our own mistake: asserts.
  void add(Setting setting);

  const std::vector<Setting>& all() const { return settings_; }
  const Setting* find(std::string_view name) const;
  // The declared name or section nearest to a mistyped one; empty when nothing is near.
  std::string nearest(std::string_view name) const;
  // The same for a variable of the environment, as MH_HUB_PROT.
  std::string nearest_variable(std::string_view variable) const;
  const std::vector<std::pair<std::string, std::string>>& sections() const { return sections_; }
  // Empty for a section without.
  const std::vector<std::string>& scopes_of(std::string_view section) const;
  struct Names {
    std::size_t most;
    std::function<std::string(std::string_view)> check;
  };
  // Null for a section without named tables.
  const Names* names_of(std::string_view section) const;

 private:
  std::vector<std::pair<std::string, std::string>> sections_;
  std::map<std::string, Names, std::less<>> names_;
  std::map<std::string, std::vector<std::string>, std::less<>> scopes_;
  std::vector<Setting> settings_;
};

// Checks that modules share; for Setting::check.
std::function<std::string(const SettingValue&)> int_between(std::int64_t low, std::int64_t high);
std::function<std::string(const SettingValue&)> decimal_between(double low, double high);
std::function<std::string(const SettingValue&)> duration_between(std::string_view low, std::string_view high);
std::function<std::string(const SettingValue&)> size_between(std::string_view low, std::string_view high);
std::function<std::string(const SettingValue&)> one_of(std::vector<std::string> texts);

// Where values come from. Flags and environment hold texts, as typed.
struct SettingSources {
  std::optional<std::string> file;                 // path of the TOML file; none = no file
  std::map<std::string, std::string> environment;  // all variables that begin with MH_
  std::map<std::string, std::string> flags;        // "hub.amqps_port" -> "5671"
};
// The process's variables that begin with MH_.
std::map<std::string, std::string> settings_environment();

// The values in force. Immutable; any thread. Asking for a name that no module declared, or
// as another kind, is our own mistake: asserts.
class Settings {
 public:
  // Reads and checks all sources. kInvalidArgument holds every mistake, a line each, led by
  // where it is ("meterhub.toml:12: hub.prot: no such setting; nearest is hub.port").
  static Result<Settings> load(const SettingsTable& table, const SettingSources& sources);

  bool flag(std::string_view name) const;
  std::int64_t integer(std::string_view name) const;
  double decimal(std::string_view name) const;
  const std::string& text(std::string_view name) const;
  std::chrono::milliseconds duration(std::string_view name) const;
  std::uint64_t bytes(std::string_view name) const;
  const std::vector<std::string>& list(std::string_view name) const;
  // "default", "meterhub.toml:12", "MH_HUB_PORT" or "flag".
  const std::string& source(std::string_view name) const;
  // The value for a scope, which has a name or "" for each of the section's: of the tables that fit, one that names the
  // last scope wins over one that does not, then the one before it, and so on; the section itself comes last.
  const SettingValue& value(std::string_view name, const SettingScope& scope) const;
  // All for which the file says something in this section, each once.
  std::vector<SettingScope> scopes_in(std::string_view section) const;
  // NAME of each table [SECTION.NAME], sorted; value(name, {NAME}) is what holds for it.
  std::vector<std::string> names_in(std::string_view section) const;
  // What the file gives in the table of exactly this scope; null when nothing.
  const SettingValue* given(std::string_view name, const SettingScope& scope) const;

 private:
  struct Held {
    SettingValue value;
    std::string source;
  };
  friend class SettingsReader;
  const Held& held(std::string_view name) const;
  std::map<std::string, Held, std::less<>> values_;
  std::map<std::pair<std::string, SettingScope>, SettingValue> scoped_;
  std::map<std::string, std::set<std::string>, std::less<>> names_;
};

// The table as a commented TOML file that, read again, gives the same values: what is at its
// default is a comment, what `settings` changes is set. Secrets are shown as "(secret)".
std::string settings_file(const SettingsTable& table, const Settings* settings = nullptr);

// A text as a value of the kind. Errors say what was expected.
Result<SettingValue> parse_setting(SettingKind kind, std::string_view text);
// At most a hundred years.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);
Result<std::uint64_t> parse_byte_size(std::string_view text);
// The shortest text that parses to the value: "7d", "90s", "30GB", "1536B".
std::string duration_text(std::chrono::milliseconds value);
std::string byte_size_text(std::uint64_t value);

}  // namespace meterhub::base
