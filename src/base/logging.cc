#include <meterhub/base/logging.h>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <meterhub/base/mutex.h>

namespace meterhub::base::logging {
namespace {

std::atomic<Format> line_format{Format::kText};

// How often an event happens is often for others to say: each has so many lines. Events are named in the
// code, so there are not many.
class LineBudget {
 public:
  // How many lines of this event were left out since its last one; nothing: this one is left out, too.
  std::optional<std::uint64_t> take(std::string_view event) {
    const auto now = std::chrono::steady_clock::now();
    const Lock lock(mutex_);
    auto it = events_.find(event);
    if (it == events_.end()) it = events_.emplace(event, Event{kBurst, now, 0}).first;
    auto& one = it->second;
    one.lines = std::min(kBurst, one.lines + std::chrono::duration<double>(now - one.at).count() * kLinesPerSecond);
    one.at = now;
    if (one.lines < 1) {
      ++one.left_out;
      return std::nullopt;
    }
    one.lines -= 1;
    return std::exchange(one.left_out, 0);
  }

 private:
  static constexpr double kLinesPerSecond = 20;
  static constexpr double kBurst = 200;
  struct Event {
    double lines;
    std::chrono::steady_clock::time_point at;
    std::uint64_t left_out;
  };
  Mutex mutex_;
  std::map<std::string, Event, std::less<>> events_ MH_GUARDED_BY(mutex_);
};

LineBudget& line_budget() {
  static LineBudget instance;
  return instance;
}

constexpr spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug: return spdlog::level::debug;
    case Level::kInfo: return spdlog::level::info;
    case Level::kWarn: return spdlog::level::warn;
    case Level::kError: return spdlog::level::err;
  }
  return spdlog::level::err;
}

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("meterhub", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    return made;
  }();
  return *instance;
}

// JSON string contents; control characters as \u00XX, so that one event stays one line.
void append_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 0xF];
    } else {
      out += c;
    }
  }
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text);
  out += '"';
}

std::string text_line(std::string_view event, std::initializer_list<Field> fields, std::uint64_t left_out) {
  std::string line(event);
  if (left_out > 0) line += " left_out=" + std::to_string(left_out);
  for (const auto& field : fields) {
    line += ' ';
    line += field.name;
    line += '=';
    const bool plain = field.number || field.value.find_first_of(" \"\\\n\r\t=") == std::string::npos;
    if (plain) {
      append_escaped(line, field.value);
    } else {
      append_quoted(line, field.value);
    }
  }
  return line;
}

std::string json_line(std::string_view event, std::initializer_list<Field> fields, std::uint64_t left_out) {
  std::string line;
  append_quoted(line, event);
  if (left_out > 0) line += ",\"left_out\":" + std::to_string(left_out);
  for (const auto& field : fields) {
    line += ',';
    append_quoted(line, field.name);
    line += ':';
    if (field.number) {
      line += field.value;
    } else {
      append_quoted(line, field.value);
    }
  }
  return line;
}

}  // namespace

void configure(Level lowest, Format format) {
  logger().set_level(to_spdlog(lowest));
  line_format.store(format, std::memory_order_relaxed);
  if (format == Format::kJson) {
    logger().set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","event":%v})", spdlog::pattern_time_type::utc);
  }
}

void write(Level level, std::string_view event, std::initializer_list<Field> fields) {
  auto& out = logger();
  if (!out.should_log(to_spdlog(level))) return;
  const auto left_out = line_budget().take(event);
  if (!left_out) return;
  const bool json = line_format.load(std::memory_order_relaxed) == Format::kJson;
  out.log(to_spdlog(level), json ? json_line(event, fields, *left_out) : text_line(event, fields, *left_out));
}

}  // namespace meterhub::base::logging
