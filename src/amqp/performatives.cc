#include <meterhub/amqp/performatives.h>

#include <fmt/format.h>

#include "big_endian.h"
#include "performative_table.h"
#include "value_reader.h"

namespace meterhub::amqp {
namespace {

// --- one field to the wire ---

void put(Writer& w, bool v) { w.boolean(v); }
void put(Writer& w, std::uint8_t v) { w.uint8(v); }
void put(Writer& w, std::uint16_t v) { w.uint16(v); }
void put(Writer& w, std::uint32_t v) { w.uint32(v); }
void put(Writer& w, std::uint64_t v) { w.uint64(v); }
void put(Writer& w, std::string_view v) { w.string(v); }
void put(Writer& w, Symbol v) { w.symbol(v.text); }
void put(Writer& w, base::BytesView v) { w.binary(v); }
void put(Writer& w, WireTime v) { w.timestamp_ms(v.ms); }
void put(Writer& w, const Value& v) { w.value(v); }
template <class T>
void put(Writer& w, const std::optional<T>& v) {
  v ? put(w, *v) : w.null();
}

// --- one field from the wire: false when the type is another ---

bool get(const Value& v, bool& out) {
  const auto got = v.boolean();
  out = got.value_or(false);
  return got.has_value();
}
template <class T>
bool get_unsigned(const Value& v, Type type, T& out) {
  out = static_cast<T>(v.unsigned_integer().value_or(0));
  return v.type() == type;
}
bool get(const Value& v, std::uint8_t& out) { return get_unsigned(v, Type::kUbyte, out); }
bool get(const Value& v, std::uint16_t& out) { return get_unsigned(v, Type::kUshort, out); }
bool get(const Value& v, std::uint32_t& out) { return get_unsigned(v, Type::kUint, out); }
bool get(const Value& v, std::uint64_t& out) { return get_unsigned(v, Type::kUlong, out); }
bool get(const Value& v, std::string_view& out) {
  const auto got = v.string();
  out = got.value_or(std::string_view{});
  return got.has_value();
}
bool get(const Value& v, Symbol& out) {
  const auto got = v.symbol();
  out.text = got.value_or(std::string_view{});
  return got.has_value();
}
bool get(const Value& v, base::BytesView& out) {
  const auto got = v.binary();
  out = got.value_or(base::BytesView{});
  return got.has_value();
}
bool get(const Value& v, WireTime& out) {
  const auto got = v.timestamp_ms();
  out.ms = got.value_or(0);
  return got.has_value();
}
bool get(const Value& v, Value& out) {
  out = v;
  return true;
}
template <class T>
bool get(const Value& v, std::optional<T>& out) {
  return get(v, out.emplace());
}

// --- a whole composite ---

template <class M>
bool same(const M& a, const M& b) {
  return a == b;
}
bool same(const base::BytesView&, const base::BytesView&) { return false; }
bool same(const std::optional<base::BytesView>& a, const std::optional<base::BytesView>& b) {
  return !a && !b;
}

template <class T, class M>
bool goes_out(const T& fields, const Field<T, M>& field) {
  static const T kDefaults{};
  return field.mandatory || !same(fields.*field.member, kDefaults.*field.member);
}

// Number of fields up to the last one that is not left out.
template <class T>
std::size_t fields_used(const T& fields) {
  std::size_t used = 0;
  std::size_t index = 0;
  const auto look = [&](const auto& field) {
    ++index;
    if (goes_out(fields, field)) used = index;
  };
  std::apply([&](const auto&... field) { (look(field), ...); }, Composite<T>::kFields);
  return used;
}

template <class T>
void put_fields(Writer& w, const T& fields) {
  const std::size_t used = fields_used(fields);
  std::size_t index = 0;
  [[maybe_unused]] const auto one = [&](const auto& field) {
    if (index++ >= used) return;
    goes_out(fields, field) ? put(w, fields.*field.member) : w.null();
  };
  std::apply([&](const auto&... field) { (one(field), ...); }, Composite<T>::kFields);
}

// What went wrong, if anything; made into a text only then.
struct Wrong {
  const char* what = nullptr;
  const char* field = nullptr;
  explicit operator bool() const { return what != nullptr; }
};

// Reads the items of a list as they come: none is looked at twice.
template <class T>
class ListReader {
 public:
  ListReader(base::BytesView items, std::uint32_t count) : rest_(items), left_(count) {}

  Wrong into(T& out) {
    Wrong wrong;
    std::apply([&](const auto&... field) { static_cast<void>(((wrong = one(out, field)) || ...)); },
               Composite<T>::kFields);
    // Fields that a later version may add are not ours to read.
    return wrong;
  }

 private:
  template <class M>
  Wrong one(T& out, const Field<T, M>& field) {
    Value value;
    if (left_ > 0) {
      --left_;
      if (const char* wrong = ValueReader::read(rest_, value, 2)) return {wrong, field.name};
    }
    if (value.is_null()) return field.mandatory ? Wrong{"is missing", field.name} : Wrong{};
    if (!get(value, out.*field.member)) return {"has a wrong type", field.name};
    return {};
  }

  base::BytesView rest_;
  std::uint32_t left_;
};

template <class T>
base::Result<T> failed(const Wrong& wrong) {
  std::string_view name = Composite<T>::kName;
  name.remove_suffix(sizeof(":list") - 1);
  return base::fail(base::Errc::kInvalidArgument,
                    wrong.field ? fmt::format("{}: {} {}", name, wrong.field, wrong.what)
                                : fmt::format("{}: {}", name, wrong.what));
}

// Head of a list: how many items, and their bytes. Moves `in` past the list.
const char* open_list(base::BytesView& in, base::BytesView& items, std::uint32_t& count) {
  if (in.empty()) return "is cut short";
  const std::uint8_t code = in[0];
  const std::size_t width = code == 0xc0 ? 1 : 4;
  in = in.subspan(1);
  count = 0;
  items = {};
  if (code == 0x45) return nullptr;
  if (code != 0xc0 && code != 0xd0) return "is not a list";
  if (in.size() < 2 * width) return "is cut short";
  const std::uint64_t size = load_be_any(in.first(width));
  if (size < width || size > in.size() - width) return "is longer than what holds it";
  count = static_cast<std::uint32_t>(load_be_any(in.subspan(width, width)));
  items = in.subspan(2 * width, size - width);
  in = in.subspan(width + size);
  return count > items.size() ? "claims more fields than it has bytes" : nullptr;
}

template <class T>
bool descriptor_is(const Value& descriptor) {
  return descriptor.unsigned_integer() == Composite<T>::kCode || descriptor.symbol() == Composite<T>::kName;
}

// Some peers may spell descriptors as symbols; they are rare and looked up one by one.
std::uint64_t code_of(std::string_view name) {
#define MH_NAME_TO_CODE(T) \
  if (name == Composite<T>::kName) return Composite<T>::kCode;
  MH_EACH_COMPOSITE(MH_NAME_TO_CODE)
#undef MH_NAME_TO_CODE
  return 0;
}

}  // namespace

template <class T>
void encode(base::Bytes& out, const T& fields) {
  Writer w(out);
  w.descriptor(Composite<T>::kCode);
  if (fields_used(fields) == 0) return out.push_back(0x45);
  w.begin_list();
  put_fields(w, fields);
  w.end();
}

template <class T>
base::Result<T> decode(base::BytesView& in) {
  if (in.empty() || in[0] != 0x00) return failed<T>({"is not a described value"});
  in = in.subspan(1);
  Value descriptor;
  if (const char* wrong = ValueReader::read(in, descriptor, 1)) return failed<T>({wrong});
  if (!descriptor_is<T>(descriptor)) return failed<T>({"has another descriptor"});
  base::BytesView items;
  std::uint32_t count = 0;
  if (const char* wrong = open_list(in, items, count)) return failed<T>({wrong});
  T out;
  if (const Wrong wrong = ListReader<T>(items, count).into(out)) return failed<T>(wrong);
  return out;
}

template <class T>
base::Result<T> decode(const Value& value) {
  base::BytesView in = value.encoded();
  return decode<T>(in);
}

template <class T>
bool is(const Value& value) {
  return value.has_descriptor(Composite<T>::kCode, Composite<T>::kName);
}

std::uint64_t peek_descriptor(base::BytesView in) {
  if (in.size() < 3 || in[0] != 0x00) return 0;
  in = in.subspan(1);
  Value descriptor;
  if (ValueReader::read(in, descriptor, 1) != nullptr) return 0;
  if (const auto code = descriptor.unsigned_integer()) return *code;
  return code_of(descriptor.symbol().value_or(""));
}

#define MH_INSTANTIATE(T)                               \
  template void encode<T>(base::Bytes&, const T&);      \
  template base::Result<T> decode<T>(base::BytesView&); \
  template base::Result<T> decode<T>(const Value&);     \
  template bool is<T>(const Value&);
MH_EACH_COMPOSITE(MH_INSTANTIATE)

}  // namespace meterhub::amqp
