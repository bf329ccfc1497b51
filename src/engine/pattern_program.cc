#include "pattern_program.h"

#include <algorithm>
#include <optional>

#include <meterhub/base/assert.h>
#include <meterhub/sql/limits.h>

namespace meterhub::engine {
namespace {

// Instructions with empty moves, from which the lists of the program are made.
struct Instruction {
  enum class Kind : std::uint8_t { kTake, kSplit, kJump, kEnd };
  Kind kind = Kind::kEnd;
  std::uint32_t variable = 0;  // kTake
  std::size_t preferred = 0;   // kSplit, kJump
  std::size_t other = 0;       // kSplit
};

class Compiler {
 public:
  std::vector<Instruction> run(const sql::PatternNode& pattern) {
    emit(pattern);
    code_.push_back({});
    return std::move(code_);
  }

 private:
  using Kind = Instruction::Kind;

  std::size_t here() const { return code_.size(); }
  std::size_t add(Instruction instruction) {
    code_.push_back(instruction);
    return here() - 1;
  }

  void emit(const sql::PatternNode& node) {
    switch (node.kind) {
      case sql::PatternKind::kVariable: add({Kind::kTake, node.variable, 0, 0}); return;
      case sql::PatternKind::kSequence:
        for (const auto& part : node.parts) emit(part);
        return;
      case sql::PatternKind::kAlternation: alternatives(node); return;
      case sql::PatternKind::kRepeat: repeat(node); return;
    }
  }

  void alternatives(const sql::PatternNode& node) {
    std::vector<std::size_t> jumps;
    for (std::size_t i = 0; i + 1 < node.parts.size(); ++i) {
      const auto split = add({Kind::kSplit, 0, here() + 1, 0});
      emit(node.parts[i]);
      jumps.push_back(add({Kind::kJump, 0, 0, 0}));
      code_[split].other = here();
    }
    emit(node.parts.back());
    for (const auto jump : jumps) code_[jump].preferred = here();
  }

  void repeat(const sql::PatternNode& node) {
    const auto& body = node.parts.front();
    // The last that must be there is the one that comes again, unless it may be empty: then coming
    // back to it without an event would be a loop.
    const bool again = !node.most && node.least > 0 && !sql::pattern_may_be_empty(body);
    std::size_t last = here();
    for (std::int64_t i = 0; i < node.least; ++i) {
      last = here();
      emit(body);
    }
    if (again) {
      add({Kind::kSplit, 0, last, here() + 1});
    } else if (!node.most) {
      const auto split = add({Kind::kSplit, 0, here() + 1, 0});
      emit(body);
      add({Kind::kJump, 0, split, 0});
      code_[split].other = here();
    } else {
      optional_ones(body, *node.most - node.least);
    }
  }

  // (body (body ...)?)?
  void optional_ones(const sql::PatternNode& body, std::int64_t count) {
    std::vector<std::size_t> splits;
    for (std::int64_t i = 0; i < count; ++i) {
      splits.push_back(add({Kind::kSplit, 0, here() + 1, 0}));
      emit(body);
    }
    for (const auto split : splits) code_[split].other = here();
  }

  std::vector<Instruction> code_;
};

// What empty moves lead to from an instruction, each once, the preferred first.
class Reached {
 public:
  Reached(const std::vector<Instruction>& code, const std::vector<std::uint16_t>& places)
      : code_(code), places_(places), seen_(code.size()) {}

  std::vector<std::uint16_t> from(std::size_t start) {
    std::vector<std::size_t> left{start};
    while (!left.empty()) {
      const auto at = left.back();
      left.pop_back();
      if (seen_[at]) continue;
      seen_[at] = true;
      const auto& instruction = code_[at];
      switch (instruction.kind) {
        case Instruction::Kind::kTake: out_.push_back(places_[at]); break;
        case Instruction::Kind::kEnd: out_.push_back(PatternProgram::kMatched); break;
        case Instruction::Kind::kSplit: left.push_back(instruction.other); [[fallthrough]];
        case Instruction::Kind::kJump: left.push_back(instruction.preferred); break;
      }
    }
    return std::move(out_);
  }

 private:
  const std::vector<Instruction>& code_;
  const std::vector<std::uint16_t>& places_;
  std::vector<bool> seen_;
  std::vector<std::uint16_t> out_;
};

}  // namespace

PatternProgram::PatternProgram(const sql::PatternNode& pattern) {
  MH_ASSERT(sql::pattern_positions(pattern) <= sql::kPatternPositionsMax);
  const auto code = Compiler().run(pattern);
  std::vector<std::uint16_t> places(code.size());
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (code[i].kind != Instruction::Kind::kTake) continue;
    places[i] = static_cast<std::uint16_t>(variables_.size());
    variables_.push_back(code[i].variable);
  }
  first_ = Reached(code, places).from(0);
  std::erase(first_, kMatched);
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (code[i].kind == Instruction::Kind::kTake) next_.push_back(Reached(code, places).from(i + 1));
  }
}

}  // namespace meterhub::engine
