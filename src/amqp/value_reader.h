// Reads and checks values without making errors of them: the inner loop of decoding.
#pragma once

#include <meterhub/amqp/value.h>

namespace meterhub::amqp {

// Each returns null, or what is wrong. `depth` is the nesting so far.
struct ValueReader {
  static constexpr std::uint32_t kMaxEmptyElements = 4096;

  static const char* read(base::BytesView& in, Value& out, int depth);
  static const char* read_constructor(base::BytesView& in, base::BytesView& constructor, int depth);
  static const char* read_body(base::BytesView& in, base::BytesView constructor, Value& out, int depth);

 private:
  static std::size_t fixed_width(std::uint8_t code);
  static const char* check_compound(const Value& value, int depth);
  static const char* check_array(base::BytesView rest, std::uint32_t count, int depth);
};

}  // namespace meterhub::amqp
