#include "reading_reader.h"

#include <algorithm>
#include <cmath>

#include <simdjson.h>

namespace meterhub::console {
namespace {

namespace sj = simdjson;

constexpr std::size_t kWholeDigits = 9;
constexpr std::size_t kDecimals = 3;

std::int64_t amount(sj::ondemand::value value) {
  std::string_view token = value.raw_json_token();
  while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') token.remove_suffix(1);
  return litres_of(token);
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

void read_user_data(Reading& out, std::string_view key, sj::ondemand::value value) {
  if (key == "bought") {
    out.bought = amount(value);
  } else if (key == "left") {
    out.left = amount(value);
  } else if (key == "used") {
    out.used = amount(value);
  } else if (key == "status") {
    std::int64_t status = 0;
    out.has_status = value.get_int64().get(status) == sj::SUCCESS;
    out.status = static_cast<std::uint32_t>(status);
  } else if (key == "version") {
    std::string_view version;
    if (value.get_string().get(version) == sj::SUCCESS) out.set_version(version);
  }
}

std::int16_t rounded(double value) {
  return std::abs(value) < 30'000 ? static_cast<std::int16_t>(std::lround(value)) : kNoSignal;
}

bool read_reception(Reading& out, sj::ondemand::value reception) {
  return each_member(reception.get_object(), [&](std::string_view key, sj::ondemand::value value) {
    double number = 0;
    if (key == "rssi" && value.get_double().get(number) == sj::SUCCESS) out.rssi = std::max(out.rssi, rounded(number));
    if (key == "lsnr" && value.get_double().get(number) == sj::SUCCESS) {
      out.snr_tenths = std::max(out.snr_tenths, rounded(number * 10));
    }
    return true;
  });
}

bool read_receptions(Reading& out, sj::ondemand::value list) {
  auto receptions = list.get_array();
  if (receptions.error() != sj::SUCCESS) return true;  // null: heard by nobody we know
  for (auto reception : receptions.value_unsafe()) {
    if (reception.error() != sj::SUCCESS || !read_reception(out, reception.value_unsafe())) return false;
    if (out.gateways < UINT8_MAX) ++out.gateways;
  }
  return true;
}

bool read_origin(Reading& out, sj::ondemand::value origin) {
  return each_member(origin.get_object(), [&](std::string_view name, sj::ondemand::value part) {
    if (name != "app") return true;
    return each_member(part.get_object(), [&](std::string_view key, sj::ondemand::value value) {
      return key != "gwrx" || read_receptions(out, value);
    });
  });
}

bool read_document(Reading& out, sj::ondemand::document& document) {
  bool decoded = false;
  const bool whole = each_member(document.get_object(), [&](std::string_view key, sj::ondemand::value value) {
    if (key == "originData") return read_origin(out, value);
    if (key != "userData") return true;
    decoded = each_member(value.get_object(), [&](std::string_view name, sj::ondemand::value member) {
      read_user_data(out, name, member);
      return true;
    });
    return decoded;
  });
  return whole && decoded;
}

}  // namespace

std::int64_t litres_of(std::string_view number) {
  const bool negative = number.starts_with('-');
  if (negative) number.remove_prefix(1);
  const auto point = number.find('.');
  const auto whole = number.substr(0, point);
  const auto rest = point == std::string_view::npos ? std::string_view() : number.substr(point + 1);
  const auto digits = [](std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  };
  if (whole.empty() || whole.size() > kWholeDigits || !digits(whole) || !digits(rest)) return kNoAmount;
  std::int64_t value = 0;
  for (const char c : whole) value = value * 10 + (c - '0');
  for (std::size_t i = 0; i < kDecimals; ++i) value = value * 10 + (i < rest.size() ? rest[i] - '0' : 0);
  return negative ? -value : value;
}

base::Timestamp heard_at(const log::RecordView& record) {
  const auto& properties = record.properties;
  const auto taken = properties.origin.enqueued != base::Timestamp{} ? properties.origin.enqueued : record.enqueued;
  return properties.time != base::Timestamp{} ? std::min(properties.time, taken) : taken;
}

struct ReadingReader::Parser {
  sj::ondemand::parser parser;
  std::string buffer;  // the body with the padding that the parser reads over
};

ReadingReader::ReadingReader() : parser_(std::make_unique<Parser>()) {}
ReadingReader::~ReadingReader() = default;

const Reading* ReadingReader::read(const log::RecordView& record) {
  const auto& properties = record.properties;
  if (properties.undecoded) return nullptr;
  reading_ = {};
  reading_.time = properties.time != base::Timestamp{} ? properties.time : heard_at(record);
  reading_.session = properties.session.value;
  reading_.generation = properties.generation.value;
  reading_.fcnt = properties.fcnt;
  std::string& buffer = parser_->buffer;
  buffer.reserve(record.body.size() + sj::SIMDJSON_PADDING);
  buffer.assign(record.body);
  auto document = parser_->parser.iterate(buffer.data(), buffer.size(), buffer.capacity());
  if (document.error() != sj::SUCCESS || !read_document(reading_, document.value_unsafe())) return nullptr;
  return &reading_;
}

}  // namespace meterhub::console
