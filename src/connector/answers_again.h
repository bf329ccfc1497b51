// What a vendor's server may answer a second time. Private; loop's thread.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_set.h>

#include <meterhub/base/clock.h>

namespace meterhub::connector {

using AnswerNames = absl::flat_hash_set<std::string>;

// Answers that have come and may come again, because what they answer was sent more than once. They belong
// to no body of the block under way.
class Echoes {
 public:
  // An answer that comes later is a packet's own.
  static constexpr std::chrono::seconds kLate{10};

  void expect(AnswerNames names, base::MonotonicTime now) {
    older_ = std::exchange(newer_, std::move(names));
    until_ = now + kLate;
  }
  bool contains(const std::string& name, base::MonotonicTime now) const {
    return now < until_ && (newer_.contains(name) || older_.contains(name));
  }

 private:
  AnswerNames newer_, older_;
  base::MonotonicTime until_{};
};

// Bodies that were answered. Asked again, they tell a server that is away from one that has nothing to say
// about what it was sent.
class KnownBodies {
 public:
  static constexpr std::size_t kBodiesMax = 8;
  static constexpr std::chrono::minutes kLife{1};

  bool wanted(base::MonotonicTime now) const { return bodies_.empty() || now - since_ > kLife; }
  // Bodies of a block that was answered whole, and the names of all its answers.
  void learn(std::vector<std::string> bodies, AnswerNames answers, base::MonotonicTime now) {
    bodies_ = std::move(bodies);
    answers_ = std::move(answers);
    since_ = now;
  }
  const std::vector<std::string>& bodies() const { return bodies_; }
  void asked(base::MonotonicTime now) { echoes_.expect(answers_, now); }
  // True for an answer to a body that was asked again.
  bool take(const std::string& name, base::MonotonicTime now) {
    if (!echoes_.contains(name, now)) return false;
    answers_again_ = true;
    return true;
  }
  // The server has answered a body twice. Not all do: the silence of one that guards against replays means nothing.
  bool tell_of_life() const { return answers_again_; }

 private:
  std::vector<std::string> bodies_;
  AnswerNames answers_;
  Echoes echoes_;
  base::MonotonicTime since_{};
  bool answers_again_ = false;
};

}  // namespace meterhub::connector
