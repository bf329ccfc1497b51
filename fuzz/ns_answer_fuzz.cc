// What network servers answer: a stream of JSON objects, and each object.
#include <meterhub/lorawan/answer.h>

#include "input.h"

namespace meterhub::lorawan {
namespace {

using fuzz::require;

constexpr std::size_t kObjectMax = 2000;

struct Seen {
  std::vector<std::string> objects;
  bool good = true;
  bool operator==(const Seen&) const = default;
};

Seen cut_apart(std::string_view stream, fuzz::Cuts cuts) {
  ObjectStream reader(kObjectMax);
  Seen out;
  fuzz::in_pieces(stream, cuts, [&](std::string_view piece) { return out.good = reader.feed(piece, out.objects); });
  return out;
}

std::string line_of(const AnswerLine& line) {
  std::string out;
  append_line(out, line.answer, line.envelope);
  return out;
}

bool same(const AnswerLine& a, const AnswerLine& b) {
  const Answer& x = a.answer;
  const Answer& y = b.answer;
  return x.kind == y.kind && x.device == y.device && x.fcnt == y.fcnt && x.port == y.port && x.payload == y.payload && x.tx == y.tx &&
         x.receptions == y.receptions && x.gateway == y.gateway && x.time == y.time && x.stat == y.stat && x.join == y.join && x.error == y.error &&
         x.proven == y.proven && x.index == y.index && x.dev_addr == y.dev_addr && x.session == y.session && x.mic == y.mic &&
         x.confirmed == y.confirmed && x.fcnt16 == y.fcnt16 && a.envelope.rid == b.envelope.rid && a.envelope.k == b.envelope.k &&
         a.envelope.n == b.envelope.n && a.envelope.snapshot == b.envelope.snapshot;
}

// What a foreign server's line leaves when we write it ourselves stays, however often.
void read_line(std::string_view line) {
  const auto first = read_answer(line);
  if (!first) return require(!first.error().text.empty());
  const auto second = read_answer(line_of(*first));
  require(second.has_value() && second->answer.kind == first->answer.kind);
  const auto third = read_answer(line_of(*second));
  require(third && same(*second, *third));
  // A line that reads is one object of a stream.
  if (line.size() > kObjectMax) return;
  const auto seen = cut_apart(line, fuzz::Cuts::none());
  require(seen.good && seen.objects.size() == 1 && line.find(seen.objects[0]) != std::string_view::npos);
}

void read_stream(std::string_view stream, std::uint8_t seed) {
  const auto whole = cut_apart(stream, fuzz::Cuts::none());
  require(whole == cut_apart(stream, fuzz::Cuts(seed, 20)));
  std::string joined;
  for (const auto& object : whole.objects) {
    require(object.starts_with('{') && object.size() <= kObjectMax);
    joined += object;
    read_line(object);
  }
  require(cut_apart(joined, fuzz::Cuts::none()).objects == whole.objects);
}

}  // namespace
}  // namespace meterhub::lorawan

MH_FUZZER(ns_answer, input) {
  using namespace meterhub::lorawan;
  const auto seed = input.byte();
  read_line(input.text());
  read_stream(input.text(), seed);
}
