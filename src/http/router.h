// From method and path to a handler.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/http/message.h>

namespace meterhub::http {

// "%41" to "A"; nothing when a '%' is not followed by two hex digits. `plus` = '+' is a blank.
std::optional<std::string> percent_decode(std::string_view text, bool plus);
// "a=1&b=2", decoded. Nothing when it is malformed.
std::optional<Fields> parse_query(std::string_view text);

// "/api/{version}/{rest*}", ready to be matched.
class Pattern {
 public:
  explicit Pattern(std::string_view text);
  // `segments` are those of a decoded path.
  bool matches(const std::vector<std::string>& segments) const;
  Fields params(const std::vector<std::string>& segments) const;
  // True when this one names its path more closely: a literal before a name before a rest.
  bool closer_than(const Pattern& other) const;

 private:
  enum class Kind : std::uint8_t { kLiteral, kName, kRest };
  struct Segment {
    Kind kind;
    std::string text;
  };
  std::vector<Segment> segments_;
};

// "/a%2Fb/c" to {"a/b", "c"}: split first, so that an encoded slash stays in its segment.
std::optional<std::vector<std::string>> path_segments(std::string_view raw_path);

// The routes of one server. One thread.
template <class Target>
class Router {
 public:
  struct Found {
    Target* target = nullptr;
    Fields params;
    // All methods that this path has, when the asked one is not among them.
    std::vector<Method> others;
  };

  void add(Method method, std::string_view pattern, Target target) {
    routes_.push_back({method, Pattern(pattern), std::make_unique<Target>(std::move(target))});
  }

  Found find(Method method, const std::vector<std::string>& segments) const {
    const Route* best = nullptr;
    Found out;
    for (const auto& route : routes_) {
      if (!route.pattern.matches(segments)) continue;
      out.others.push_back(route.method);
      if (route.method == method && (best == nullptr || route.pattern.closer_than(best->pattern))) best = &route;
    }
    if (best == nullptr) return out;
    out.target = best->target.get();
    out.params = best->pattern.params(segments);
    return out;
  }

 private:
  struct Route {
    Method method;
    Pattern pattern;
    std::unique_ptr<Target> target;  // stays in place when routes are added
  };
  std::vector<Route> routes_;
};

}  // namespace meterhub::http
