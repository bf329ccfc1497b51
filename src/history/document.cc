#include "document.h"

#include <charconv>
#include <cmath>
#include <limits>

#include <simdjson.h>

#include <meterhub/base/time_text.h>

namespace meterhub::history {
namespace {

namespace sj = simdjson;
using base::Errc;
using lake::Reading;

constexpr std::int64_t kLargest = 999'999'999'999;  // DECIMAL(12,3)

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Exponents and long fractions, which our own writers do not produce.
base::Result<std::int64_t> from_double(std::string_view number) {
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size() || !(std::abs(value) < 1e9)) {
    return base::fail(Errc::kInvalidArgument, "not an amount: " + std::string(number.substr(0, 40)));
  }
  const auto rounded = static_cast<std::int64_t>(std::llround(value * 1000));
  return std::min(kLargest, std::max(-kLargest, rounded));
}

std::optional<std::int32_t> integer(sj::ondemand::value value) {
  const auto number = value.get_int64();
  if (number.error() != sj::SUCCESS) return std::nullopt;
  const std::int64_t n = number.value_unsafe();
  if (n < std::numeric_limits<std::int32_t>::min() || n > std::numeric_limits<std::int32_t>::max()) return std::nullopt;
  return static_cast<std::int32_t>(n);
}

std::optional<std::int64_t> amount(sj::ondemand::value value) {
  std::string_view token = value.raw_json_token();
  while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') token.remove_suffix(1);
  const auto parsed = thousandths(token);
  return parsed ? std::optional(*parsed) : std::nullopt;
}

std::optional<std::string> text(sj::ondemand::value value) {
  std::string_view view;
  if (value.get_string().get(view) != sj::SUCCESS) return std::nullopt;
  return std::string(view);
}

// Visits the members of an object; false when it is none or breaks off.
template <class F>
bool each_member(sj::simdjson_result<sj::ondemand::object> object, F&& visit) {
  if (object.error() != sj::SUCCESS) return false;
  for (auto field : object.value_unsafe()) {
    std::string_view key;
    sj::ondemand::value value;
    if (field.unescaped_key().get(key) != sj::SUCCESS || field.value().get(value) != sj::SUCCESS) return false;
    if (!visit(key, value)) return false;
  }
  return true;
}

void read_user_data(Reading& row, std::string_view key, sj::ondemand::value value) {
  if (key == "type") row.type = integer(value);
  else if (key == "code") row.code = integer(value);
  else if (key == "bought") row.bought = amount(value);
  else if (key == "left") row.left = amount(value);
  else if (key == "used") row.used = amount(value);
  else if (key == "status") row.status = integer(value);
  else if (key == "version") row.version = text(value);
  else if (key == "time" && row.time == base::Timestamp{}) {
    const auto time = base::parse_rfc3339(text(value).value_or(""));
    if (time) row.time = time->at;
  }
}

bool read_reception(Reading& row, sj::ondemand::value reception) {
  return each_member(reception.get_object(), [&](std::string_view key, sj::ondemand::value value) {
    double number = 0;
    if (key == "eui") {
      if (!row.gateways.empty()) row.gateways += ',';
      row.gateways += text(value).value_or("");
    } else if (key == "rssi" && value.get_double().get(number) == sj::SUCCESS && std::abs(number) < 1e6) {
      const auto rssi = static_cast<std::int32_t>(std::lround(number));
      row.best_rssi = std::max(row.best_rssi.value_or(rssi), rssi);
    } else if (key == "lsnr" && value.get_double().get(number) == sj::SUCCESS) {
      row.best_snr = std::max(row.best_snr.value_or(number), number);
    }
    return true;
  });
}

bool read_receptions(Reading& row, sj::ondemand::value list) {
  auto receptions = list.get_array();
  if (receptions.error() != sj::SUCCESS) return true;  // null: heard by nobody we know
  for (auto reception : receptions.value_unsafe()) {
    if (reception.error() != sj::SUCCESS || !read_reception(row, reception.value_unsafe())) return false;
  }
  return true;
}

bool read_frame(Reading& row, sj::ondemand::value frame) {
  return each_member(frame.get_object(), [&](std::string_view key, sj::ondemand::value value) {
    if (key == "port") {
      const auto port = integer(value);
      if (port && *port >= 0 && *port <= 255) row.port = static_cast<std::uint8_t>(*port);
    } else if (key == "payload") {
      row.payload = text(value);
    }
    return true;
  });
}

bool read_app(Reading& row, sj::ondemand::value app) {
  return each_member(app.get_object(), [&](std::string_view key, sj::ondemand::value value) {
    if (key == "userdata") return read_frame(row, value);
    if (key == "gwrx") return read_receptions(row, value);
    return true;
  });
}

bool read_origin(Reading& row, sj::ondemand::value origin) {
  return each_member(origin.get_object(), [&](std::string_view key, sj::ondemand::value value) {
    return key != "app" || read_app(row, value);
  });
}

Reading from_properties(const log::RecordView& record) {
  const log::Properties& properties = record.properties;
  Reading row;
  row.meter = properties.meter;
  row.device = std::string(record.key);
  row.time = properties.time;
  row.tenant = properties.tenant;
  row.session = properties.session;
  row.generation = properties.generation;
  row.fcnt = properties.fcnt;
  const bool has_origin = properties.origin.enqueued != base::Timestamp{};
  row.enqueued = has_origin ? properties.origin.enqueued : record.enqueued;
  row.late = properties.late;
  row.stale = properties.stale;
  row.redo = properties.redo;
  row.offset = record.offset;
  return row;
}

}  // namespace

base::Result<std::int64_t> thousandths(std::string_view number) {
  std::string_view rest = number;
  const bool negative = !rest.empty() && rest.front() == '-';
  if (negative) rest.remove_prefix(1);
  std::int64_t value = 0;
  std::size_t whole = 0;
  while (whole < rest.size() && is_digit(rest[whole])) value = whole < 9 ? value * 10 + (rest[whole] - '0') : value, ++whole;
  std::size_t at = whole;
  int decimals = 0;
  if (at < rest.size() && rest[at] == '.') ++at;
  for (; at < rest.size() && is_digit(rest[at]) && decimals < 3; ++at, ++decimals) value = value * 10 + (rest[at] - '0');
  if (at < rest.size() || whole == 0 || whole > 9) return from_double(number);
  for (; decimals < 3; ++decimals) value *= 10;
  return negative ? -value : value;
}

struct DocumentReader::Parser {
  sj::ondemand::parser parser;
  std::string buffer;  // the body with the padding that the parser reads over
};

DocumentReader::DocumentReader() : parser_(std::make_unique<Parser>()) {}
DocumentReader::~DocumentReader() = default;

base::Result<void> DocumentReader::read(const log::RecordView& record) {
  row_ = from_properties(record);
  std::string& buffer = parser_->buffer;
  buffer.reserve(record.body.size() + sj::SIMDJSON_PADDING);
  buffer.assign(record.body);
  auto document = parser_->parser.iterate(buffer.data(), buffer.size(), buffer.capacity());
  bool decoded = false;
  const bool whole = document.error() == sj::SUCCESS &&
                     each_member(document.get_object(), [&](std::string_view key, sj::ondemand::value value) {
                       if (key == "originData") return read_origin(row_, value);
                       if (key != "userData" || value.is_null()) return true;
                       decoded = true;
                       return each_member(value.get_object(), [&](std::string_view name, sj::ondemand::value member) {
                         read_user_data(row_, name, member);
                         return true;
                       });
                     });
  if (decoded && whole) row_.payload.reset();
  if (row_.time == base::Timestamp{}) row_.time = row_.enqueued;
  if (!whole) {
    row_ = from_properties(record);
    if (row_.time == base::Timestamp{}) row_.time = row_.enqueued;
    return base::fail(Errc::kCorrupt, "the body of a reading is not a whole document");
  }
  return {};
}

}  // namespace meterhub::history
