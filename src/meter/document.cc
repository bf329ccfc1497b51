#include <meterhub/meter/document.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>

#include <simdjson.h>

#include <meterhub/base/plain_json.h>

namespace meterhub::meter {
namespace {

namespace sj = simdjson;
using base::PlainJson;

constexpr std::int64_t kLargest = 999'999'999'999;  // DECIMAL(12,3)

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Exponents and long fractions, which our own writers do not produce.
base::Result<std::int64_t> from_double(std::string_view number) {
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size() || !(std::abs(value) < 1e9)) {
    return base::fail(base::Errc::kInvalidArgument, "not an amount: " + std::string(number.substr(0, 40)));
  }
  const auto rounded = static_cast<std::int64_t>(std::llround(value * 1000));
  return std::min(kLargest, std::max(-kLargest, rounded));
}

std::optional<std::int64_t> amount_of(std::string_view token) {
  const auto read = thousandths(token);
  return read ? std::optional(*read) : std::nullopt;
}

// A value in two ways: by one pass over plain JSON, or by simdjson. Each call takes the value; false:
// the text breaks off or is no JSON. A value of another type than asked for gives nothing.

class PlainValue {
 public:
  explicit PlainValue(PlainJson& json) : json_(json) {}

  template <class Visit>
  bool members(Visit&& visit) {
    return json_.object([&](std::string_view name) { return visit(name, *this); });
  }
  template <class Visit>
  bool elements(Visit&& visit) {
    if (json_.peek() != '[') return json_.skip();
    return json_.array([&] { return visit(*this); });
  }
  bool skip() { return json_.skip(); }
  bool is_null() { return json_.peek() == 'n'; }
  bool text(std::optional<std::string_view>& out) {
    if (json_.peek() != '"') return other(out);
    return json_.string(out.emplace());
  }
  bool integer(std::optional<std::int64_t>& out) {
    PlainJson::Number number;
    if (!is_number()) return other(out);
    if (!json_.number(number)) return false;
    out = number.whole() ? std::optional(number.digits) : std::nullopt;
    return true;
  }
  bool real(std::optional<double>& out) {
    PlainJson::Number number;
    if (!is_number()) return other(out);
    if (!json_.number(number)) return false;
    out = number.real();
    return true;
  }
  bool amount(std::optional<std::int64_t>& out) {
    constexpr std::array<std::int64_t, 4> kScale{1000, 100, 10, 1};
    PlainJson::Number number;
    if (!is_number()) return other(out);
    if (!json_.number(number)) return false;
    const bool exact = number.decimals < kScale.size() && std::abs(number.digits) <= kLargest / kScale[number.decimals];
    out = exact ? number.digits * kScale[number.decimals] : amount_of(number.text);
    return true;
  }

 private:
  bool is_number() {
    const char c = json_.peek();
    return is_digit(c) || c == '-';
  }
  template <class T>
  bool other(std::optional<T>& out) {
    out.reset();
    return json_.skip();
  }

  PlainJson& json_;
};

class ParsedValue {
 public:
  explicit ParsedValue(sj::ondemand::value value) : value_(value) {}

  template <class Visit>
  static bool members(sj::simdjson_result<sj::ondemand::object> object, Visit&& visit) {
    if (object.error() != sj::SUCCESS) return false;
    for (auto field : object.value_unsafe()) {
      std::string_view name;
      sj::ondemand::value value;
      if (field.unescaped_key().get(name) != sj::SUCCESS || field.value().get(value) != sj::SUCCESS) return false;
      ParsedValue member(value);
      if (!visit(name, member)) return false;
    }
    return true;
  }
  template <class Visit>
  bool members(Visit&& visit) {
    return members(value_.get_object(), visit);
  }
  template <class Visit>
  bool elements(Visit&& visit) {
    auto list = value_.get_array();
    if (list.error() != sj::SUCCESS) return true;
    for (auto entry : list.value_unsafe()) {
      if (entry.error() != sj::SUCCESS) return false;
      ParsedValue element(entry.value_unsafe());
      if (!visit(element)) return false;
    }
    return true;
  }
  bool skip() { return true; }  // the parser does when it goes on
  bool is_null() {
    bool null = false;
    return value_.is_null().get(null) == sj::SUCCESS && null;
  }
  bool text(std::optional<std::string_view>& out) { return take(value_.get_string(), out); }
  bool integer(std::optional<std::int64_t>& out) { return take(value_.get_int64(), out); }
  bool real(std::optional<double>& out) { return take(value_.get_double(), out); }
  bool amount(std::optional<std::int64_t>& out) {
    std::string_view token = value_.raw_json_token();
    while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') token.remove_suffix(1);
    out = amount_of(token);
    return true;
  }

 private:
  template <class T>
  static bool take(sj::simdjson_result<T> found, std::optional<T>& out) {
    out = found.error() == sj::SUCCESS ? std::optional(found.value_unsafe()) : std::nullopt;
    return true;
  }

  sj::ondemand::value value_;
};

template <class Value>
bool read_user_data(Document& out, std::string_view name, Value& value) {
  if (name == "type") return value.integer(out.type);
  if (name == "code") return value.integer(out.code);
  if (name == "bought") return value.amount(out.bought);
  if (name == "left") return value.amount(out.left);
  if (name == "used") return value.amount(out.used);
  if (name == "status") return value.integer(out.status);
  if (name == "version") return value.text(out.version);
  if (name == "time") return value.text(out.time);
  return value.skip();
}

template <class Value>
bool read_reception(Document& out, Value& reception) {
  auto& to = out.receptions.emplace_back();
  return reception.members([&](std::string_view name, Value& value) {
    if (name == "rssi") return value.real(to.rssi);
    if (name == "lsnr") return value.real(to.snr);
    if (name != "eui") return value.skip();
    std::optional<std::string_view> eui;
    if (!value.text(eui)) return false;
    to.gateway = eui.value_or("");
    return true;
  });
}

template <class Value>
bool read_frame(Document& out, Value& frame) {
  return frame.members([&](std::string_view name, Value& value) {
    if (name == "port") return value.integer(out.port);
    if (name == "payload") return value.text(out.payload);
    return value.skip();
  });
}

template <class Value>
bool read_app(Document& out, Value& app) {
  return app.members([&](std::string_view name, Value& value) {
    if (name == "userdata") return read_frame(out, value);
    if (name == "gwrx") return value.elements([&](Value& reception) { return read_reception(out, reception); });
    return value.skip();
  });
}

template <class Value>
bool read_member(Document& out, std::string_view name, Value& value) {
  if (name == "originData") {
    return value.members([&](std::string_view part, Value& inner) { return part == "app" ? read_app(out, inner) : inner.skip(); });
  }
  if (name != "userData" || value.is_null()) return value.skip();
  out.decoded = true;
  return value.members([&](std::string_view field, Value& inner) { return read_user_data(out, field, inner); });
}

void clear(Document& document) {
  auto receptions = std::move(document.receptions);
  receptions.clear();
  document = {};
  document.receptions = std::move(receptions);
}

bool read_plain(std::string_view body, Document& out) {
  PlainJson json(body);
  PlainValue document(json);
  return document.members([&](std::string_view name, PlainValue& value) { return read_member(out, name, value); }) && json.at_end();
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

std::optional<double> Document::best_rssi() const {
  std::optional<double> best;
  for (const auto& reception : receptions) best = std::max(best, reception.rssi);
  return best;
}

std::optional<double> Document::best_snr() const {
  std::optional<double> best;
  for (const auto& reception : receptions) best = std::max(best, reception.snr);
  return best;
}

struct DocumentReader::Parser {
  sj::ondemand::parser parser;
  std::string buffer;  // the body with the padding that the parser reads over

  bool read(std::string_view body, Document& out) {
    buffer.reserve(body.size() + sj::SIMDJSON_PADDING);
    buffer.assign(body);
    auto document = parser.iterate(buffer.data(), buffer.size(), buffer.capacity());
    return document.error() == sj::SUCCESS &&
           ParsedValue::members(document.get_object(), [&](std::string_view name, ParsedValue& value) { return read_member(out, name, value); });
  }
};

DocumentReader::DocumentReader() : parser_(std::make_unique<Parser>()) {}
DocumentReader::~DocumentReader() = default;
DocumentReader::DocumentReader(DocumentReader&&) noexcept = default;
DocumentReader& DocumentReader::operator=(DocumentReader&&) noexcept = default;

const Document* DocumentReader::read(std::string_view body) {
  clear(document_);
  if (read_plain(body, document_)) return &document_;
  clear(document_);
  return parser_->read(body, document_) ? &document_ : nullptr;
}

}  // namespace meterhub::meter
