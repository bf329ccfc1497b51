#include "stored_sections.h"

namespace meterhub::hub {
namespace {

constexpr std::uint64_t kAnnotations = 0x72;
constexpr std::uint64_t kProperties = 0x73;
constexpr std::uint64_t kApplicationProperties = 0x74;
constexpr std::uint64_t kSequence = 0x76;
constexpr std::uint64_t kValue = 0x77;

}  // namespace

base::Result<StoredSections> parse_stored(std::string_view sections) {
  StoredSections out;
  auto rest = base::as_bytes(sections);
  const auto at = [&] { return amqp::peek_descriptor(rest); };
  if (at() == kAnnotations) {
    const auto section = MH_TRY(amqp::Value::read(rest));
    out.annotations = section.described().value_or(amqp::Value());
  }
  const auto begin = rest;
  while (at() == kProperties || at() == kApplicationProperties) MH_TRY(amqp::Value::read(rest));
  out.properties = begin.first(begin.size() - rest.size());
  out.body_head = rest;
  if (rest.empty() || at() == kSequence || at() == kValue) return out;
  return base::fail(base::Errc::kInvalidArgument, "stored sections end in something else");
}

}  // namespace meterhub::hub
