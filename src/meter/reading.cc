#include <meterhub/meter/reading.h>

#include <algorithm>
#include <charconv>

#include <meterhub/base/assert.h>
#include <meterhub/base/json_text.h>

namespace meterhub::meter {
namespace {

using base::BytesView;

std::int64_t power_of_ten(std::uint8_t exponent) {
  std::int64_t out = 1;
  for (int i = 0; i < exponent; ++i) out *= 10;
  return out;
}

// Bytes of a field, most significant first.
template <class Visit>
void each_byte(const Field& field, BytesView bytes, Visit visit) {
  for (std::size_t i = 0; i < field.size; ++i) visit(bytes[field.order == ByteOrder::kBig ? i : field.size - 1 - i]);
}

std::int64_t whole_number(const Field& field, BytesView bytes) {
  std::uint64_t value = 0;
  each_byte(field, bytes, [&](std::uint8_t byte) { value = value << 8 | byte; });
  if (field.type == FieldType::kUnsigned) return static_cast<std::int64_t>(value);
  const unsigned unused = static_cast<unsigned>(64 - 8 * field.size);
  return static_cast<std::int64_t>(value << unused) >> unused;  // the sign comes along
}

std::expected<std::int64_t, DecodeError> bcd_number(const Field& field, BytesView bytes) {
  std::int64_t value = 0;
  bool good = true;
  each_byte(field, bytes, [&](std::uint8_t byte) {
    good = good && byte >> 4 <= 9 && (byte & 0xF) <= 9;
    value = value * 100 + std::int64_t{byte >> 4} * 10 + (byte & 0xF);
  });
  if (!good) return std::unexpected(DecodeError::kBadDigits);
  return value;
}

std::string text_of(const Field& field, BytesView bytes) {
  std::string out(base::as_text(bytes));
  if (field.text == TextRule::kPrintable) {
    while (!out.empty() && out.back() == '\0') out.pop_back();
  }
  for (char& c : out) {
    const auto byte = static_cast<std::uint8_t>(c);
    const bool kept = field.text == TextRule::kPrintable ? byte >= 0x20 && byte <= 0x7e : byte < 0x80;
    if (!kept) c = '?';
  }
  return out;
}

// A field whose text may be cut by the payload's end gives what is there.
BytesView bytes_of(const Field& field, BytesView payload) {
  const std::size_t from = std::min(field.offset, payload.size());
  return payload.subspan(from, std::min(field.size, payload.size() - from));
}

std::expected<void, DecodeError> decode_field(const Field& field, BytesView payload, std::int64_t& number,
                                              std::string& text) {
  const BytesView bytes = bytes_of(field, payload);
  if (field.type == FieldType::kText) {
    text = text_of(field, bytes);
    return {};
  }
  MH_ASSERT(bytes.size() == field.size);  // the profile's rules: numbers lie within length_min
  std::int64_t raw = 0;
  if (field.type == FieldType::kBcd) {
    const auto digits = bcd_number(field, bytes);
    if (!digits) return std::unexpected(digits.error());
    raw = *digits;
  } else {
    raw = whole_number(field, bytes);
  }
  // Wraps instead of overflowing: eight bytes times a factor may not fit.
  number = static_cast<std::int64_t>(static_cast<std::uint64_t>(raw) * static_cast<std::uint64_t>(field.factor));
  return {};
}

Plausibility judge(const Reading& reading) {
  Plausibility out;
  const auto bought = reading.number(Role::kBought);
  const auto left = reading.number(Role::kLeft);
  const auto used = reading.number(Role::kUsed);
  std::int64_t difference = 0;
  if (bought && left && used)
    out.balanced = !__builtin_sub_overflow(*bought, *used, &difference) && difference == *left;
  for (std::size_t i = 0; i < reading.profile->fields.size(); ++i) {
    const Field& field = reading.profile->fields[i];
    const bool inside =
        (!field.min || reading.numbers[i] >= *field.min) && (!field.max || reading.numbers[i] <= *field.max);
    out.within_limits = out.within_limits && inside;
  }
  return out;
}

// As the original printed it: divided in 32 bits, shortest text, ".0" when whole.
void append_float32(std::string& out, std::int64_t value, std::uint8_t decimals) {
  const float quotient = static_cast<float>(value) / static_cast<float>(power_of_ten(decimals));
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, quotient, std::chars_format::fixed);
  const std::string_view digits(text, static_cast<std::size_t>(end.ptr - text));
  out += digits;
  if (digits.find('.') == std::string_view::npos) out += ".0";
}

void append_value(std::string& out, const Reading& reading, std::size_t i) {
  const Field& field = reading.profile->fields[i];
  if (field.type == FieldType::kText) {
    base::append_json_string(out, reading.texts[i]);
  } else if (field.decimals == 0) {
    base::append_json_number(out, reading.numbers[i]);
  } else if (reading.profile->numbers == NumberText::kFloat32) {
    append_float32(out, reading.numbers[i], field.decimals);
  } else {
    append_decimal(out, reading.numbers[i], field.decimals);
  }
}

void store_big_endian(std::uint8_t* at, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) at[i] = static_cast<std::uint8_t>(value >> 8 * (size - 1 - i));
}

std::uint64_t to_bcd(std::uint64_t value) {
  std::uint64_t out = 0;
  for (unsigned shift = 0; shift < 64; shift += 4, value /= 10) out |= value % 10 << shift;
  return out;
}

base::Result<void> encode_number(const Field& field, std::int64_t value, std::uint8_t* at) {
  if (value % field.factor != 0)
    return base::fail(base::Errc::kInvalidArgument, field.name + " is not a multiple of its factor");
  const std::int64_t raw = value / field.factor;
  std::uint64_t bits = static_cast<std::uint64_t>(raw);
  if (field.type == FieldType::kBcd && raw >= 0) bits = to_bcd(bits);
  std::uint8_t bytes[8];
  store_big_endian(bytes, bits, field.size);
  if (field.order == ByteOrder::kLittle) std::reverse(bytes, bytes + field.size);
  std::copy_n(bytes, field.size, at);
  const BytesView written(bytes, field.size);
  const auto back =
      field.type == FieldType::kBcd ? bcd_number(field, written).value_or(-1) : whole_number(field, written);
  if (back != raw) return base::fail(base::Errc::kInvalidArgument, field.name + " does not fit its field");
  return {};
}

}  // namespace

std::string_view text(DecodeError error) { return error == DecodeError::kBadLength ? "bad_length" : "bad_digits"; }

std::optional<std::int64_t> Reading::number(Role role) const {
  for (std::size_t i = 0; profile != nullptr && i < profile->fields.size(); ++i) {
    const Field& field = profile->fields[i];
    if (field.role == role && field.type != FieldType::kText) return numbers[i];
  }
  return std::nullopt;
}

std::optional<std::int64_t> Reading::litres(Role role) const {
  const auto value = number(role);
  if (!value) return std::nullopt;
  const Field& field = *profile->field(role);
  if (field.unit != "m3" && field.unit != "l") return std::nullopt;
  const int per_litre = field.decimals - (field.unit == "m3" ? 3 : 0);  // decimals beyond a litre
  if (per_litre >= 0) return *value / power_of_ten(static_cast<std::uint8_t>(per_litre));
  std::int64_t litres = 0;
  if (__builtin_mul_overflow(*value, power_of_ten(static_cast<std::uint8_t>(-per_litre)), &litres)) return std::nullopt;
  return litres;
}

std::string_view Reading::version() const {
  for (std::size_t i = 0; profile != nullptr && i < profile->fields.size(); ++i) {
    if (profile->fields[i].role == Role::kVersion) return texts[i];
  }
  return {};
}

std::vector<std::string_view> Reading::status_names() const {
  std::vector<std::string_view> out;
  const auto status = static_cast<std::uint64_t>(number(Role::kStatus).value_or(0));
  for (std::size_t i = 0; profile != nullptr && i < profile->status_bits.size(); ++i) {
    const StatusBit& bit = profile->status_bits[i];
    if ((status & bit.mask) != 0) out.push_back(bit.name);
  }
  return out;
}

std::expected<void, DecodeError> decode(const Profile& profile, BytesView payload, Reading& out) {
  if (payload.size() < profile.length_min || payload.size() > profile.length_max.value_or(payload.size())) {
    return std::unexpected(DecodeError::kBadLength);
  }
  const std::size_t count = profile.fields.size();
  out.profile = &profile;
  out.numbers.assign(count, 0);
  out.texts.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (auto done = decode_field(profile.fields[i], payload, out.numbers[i], out.texts[i]); !done) return done;
  }
  out.plausibility = judge(out);
  return {};
}

std::array<std::uint8_t, 20> encode_v1(const MeterState& state) {
  std::array<std::uint8_t, 20> out{};
  out[0] = state.type;
  out[1] = state.code;
  store_big_endian(&out[2], state.bought_litres, 4);
  store_big_endian(&out[6], static_cast<std::uint32_t>(state.left_litres), 4);
  store_big_endian(&out[10], state.used_litres, 4);
  store_big_endian(&out[14], state.status, 2);
  std::copy_n(state.version.begin(), std::min<std::size_t>(4, state.version.size()), out.begin() + 16);
  return out;
}

base::Result<base::Bytes> encode(const Profile& profile, const Reading& reading) {
  std::size_t size = profile.length_min;
  for (const Field& field : profile.fields) size = std::max(size, field.offset + field.size);
  base::Bytes out(size);
  for (std::size_t i = 0; i < profile.fields.size(); ++i) {
    const Field& field = profile.fields[i];
    if (field.type != FieldType::kText) {
      MH_TRY_VOID(encode_number(field, reading.numbers.at(i), &out[field.offset]));
      continue;
    }
    const std::string& text = reading.texts.at(i);
    if (text.size() > field.size)
      return base::fail(base::Errc::kInvalidArgument, field.name + " does not fit its field");
    std::copy(text.begin(), text.end(), out.begin() + static_cast<std::ptrdiff_t>(field.offset));
  }
  return out;
}

void append_decimal(std::string& out, std::int64_t value, std::uint8_t decimals) {
  const auto scale = static_cast<std::uint64_t>(power_of_ten(decimals));
  const std::uint64_t size = value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  if (value < 0) out += '-';
  base::append_json_number(out, size / scale);
  std::uint64_t fraction = size % scale;
  std::size_t digits = std::max<std::size_t>(decimals, 1);
  for (; digits > 1 && fraction % 10 == 0; --digits) fraction /= 10;
  const std::size_t point = out.size();
  out.resize(point + 1 + digits, '.');
  for (; digits > 0; --digits, fraction /= 10) out[point + digits] = static_cast<char>('0' + fraction % 10);
}

void append_user_data(std::string& out, const Reading* reading, base::PreciseTime time) {
  if (reading == nullptr) {
    out += "null";
    return;
  }
  out += '{';
  for (std::size_t i = 0; i < reading->profile->fields.size(); ++i) {
    out += '"';
    out += reading->profile->fields[i].name;
    out += "\":";
    append_value(out, *reading, i);
    out += ',';
  }
  out += R"("time":")";
  base::append_rfc3339(out, time);
  out += "\"}";
}

void append_document(std::string& out, std::string_view origin, const Reading* reading, base::PreciseTime time) {
  out += R"({"originData":)";
  out += origin;
  out += R"(,"userData":)";
  append_user_data(out, reading, time);
  out += '}';
}

}  // namespace meterhub::meter
