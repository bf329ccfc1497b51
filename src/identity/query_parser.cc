// The text of a device query -> DeviceQuery. By recursive descent, one word ahead.
#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "query.h"
#include "query_words.h"

namespace meterhub::identity {

using base::Errc;
using base::Result;

class QueryParser {
 public:
  explicit QueryParser(std::string_view text) : words_(text) {}
  Result<DeviceQuery> query();

 private:
  using Index = std::size_t;

  Result<void> step();
  Result<bool> take_keyword(std::string_view keyword);
  Result<bool> take_sign(std::string_view sign);
  Result<void> expect_keyword(std::string_view keyword);
  Result<void> expect_sign(std::string_view sign);
  std::unexpected<base::Error> refuse(const std::string& text) const;
  std::string here() const;

  Result<void> head();
  Result<void> end();
  Result<Index> any_of(int depth);
  Result<Index> all_of(int depth);
  Result<Index> one(int depth);
  Result<Index> starts_with();
  Result<Index> comparison();
  Result<std::vector<DeviceQuery::Operand>> list();
  Result<DeviceQuery::Operand> operand();
  Result<DeviceQuery::Operand> field();
  Result<DeviceQuery::Operator> comparison_sign();
  Result<Index> add(DeviceQuery::Node node);

  QueryWords words_;
  Word word_;
  std::string alias_{"devices"};
  DeviceQuery out_;
};

namespace {

// Words of the language that are known, so that their refusal says more than "expected".
constexpr std::array<std::string_view, 15> kNotOffered{"TOP",     "GROUP",     "ORDER",     "HAVING",   "JOIN",
                                                       "LIMIT",   "OFFSET",    "CONTAINS",  "ENDSWITH", "IS_DEFINED",
                                                       "IS_NULL", "IS_STRING", "IS_NUMBER", "IS_BOOL",  "IS_OBJECT"};

bool is_one_of(const Word& word, std::span<const std::string_view> keywords) {
  return std::ranges::any_of(keywords, [&](std::string_view keyword) { return word.is_keyword(keyword); });
}

}  // namespace

std::string QueryParser::here() const {
  return word_.kind == WordKind::kEnd ? std::string("at the end")
                                      : "at '" + std::string(word_.spelling.substr(0, 40)) + "' (character " +
                                            std::to_string(word_.at + 1) + ")";
}

std::unexpected<base::Error> QueryParser::refuse(const std::string& text) const {
  if (is_one_of(word_, kNotOffered))
    return base::fail(Errc::kInvalidArgument, std::string(word_.spelling) + " is not supported, " + here());
  return base::fail(Errc::kInvalidArgument, text + ", " + here());
}

Result<void> QueryParser::step() {
  word_ = MH_TRY(words_.next());
  return {};
}

Result<bool> QueryParser::take_keyword(std::string_view keyword) {
  if (!word_.is_keyword(keyword)) return false;
  MH_TRY_VOID(step());
  return true;
}

Result<bool> QueryParser::take_sign(std::string_view sign) {
  if (!word_.is_sign(sign)) return false;
  MH_TRY_VOID(step());
  return true;
}

Result<void> QueryParser::expect_keyword(std::string_view keyword) {
  if (MH_TRY(take_keyword(keyword))) return {};
  return refuse("expected " + std::string(keyword));
}

Result<void> QueryParser::expect_sign(std::string_view sign) {
  if (MH_TRY(take_sign(sign))) return {};
  return refuse("expected " + std::string(sign));
}

Result<DeviceQuery> QueryParser::query() {
  MH_TRY_VOID(step());
  MH_TRY_VOID(head());
  if (MH_TRY(take_keyword("WHERE"))) out_.where_ = MH_TRY(any_of(0));
  MH_TRY_VOID(end());
  return std::move(out_);
}

Result<void> QueryParser::head() {
  MH_TRY_VOID(expect_keyword("SELECT"));
  if (!MH_TRY(take_sign("*"))) return refuse("only SELECT * is supported");
  MH_TRY_VOID(expect_keyword("FROM"));
  if (word_.kind != WordKind::kName || word_.spelling != "devices") return refuse("only FROM devices is supported");
  MH_TRY_VOID(step());
  if (word_.is_sign(".")) return refuse("only FROM devices is supported");
  const bool named = MH_TRY(take_keyword("AS"));
  if (word_.kind == WordKind::kName && !word_.is_keyword("WHERE") && !is_one_of(word_, kNotOffered)) {
    alias_ = word_.spelling;
    return step();
  }
  if (named) return refuse("expected a name after AS");
  return {};
}

Result<void> QueryParser::end() {
  if (word_.kind == WordKind::kEnd) return {};
  return refuse("the query should end here");
}

Result<QueryParser::Index> QueryParser::add(DeviceQuery::Node node) {
  // Each comparison brings at most one AND, OR or NOT of its own and those that are nested.
  if (out_.nodes_.size() >= 2 * kQueryTermsMax + kQueryDepthMax) {
    return base::fail(Errc::kInvalidArgument, "a query has at most " + std::to_string(kQueryTermsMax) + " comparisons");
  }
  out_.nodes_.push_back(std::move(node));
  return out_.nodes_.size() - 1;
}

Result<QueryParser::Index> QueryParser::any_of(int depth) {
  auto left = MH_TRY(all_of(depth));
  while (MH_TRY(take_keyword("OR"))) {
    const auto right = MH_TRY(all_of(depth));
    left = MH_TRY(add({.kind = DeviceQuery::Kind::kOr, .left = left, .right = right, .subject = {}, .others = {}}));
  }
  return left;
}

Result<QueryParser::Index> QueryParser::all_of(int depth) {
  auto left = MH_TRY(one(depth));
  while (MH_TRY(take_keyword("AND"))) {
    const auto right = MH_TRY(one(depth));
    left = MH_TRY(add({.kind = DeviceQuery::Kind::kAnd, .left = left, .right = right, .subject = {}, .others = {}}));
  }
  return left;
}

Result<QueryParser::Index> QueryParser::one(int depth) {
  if (depth >= kQueryDepthMax) return refuse("a query is nested at most " + std::to_string(kQueryDepthMax) + " deep");
  if (MH_TRY(take_keyword("NOT"))) {
    const auto inner = MH_TRY(one(depth + 1));
    return add({.kind = DeviceQuery::Kind::kNot, .left = inner, .subject = {}, .others = {}});
  }
  if (MH_TRY(take_sign("("))) {
    const auto inner = MH_TRY(any_of(depth + 1));
    MH_TRY_VOID(expect_sign(")"));
    return inner;
  }
  if (MH_TRY(take_keyword("STARTSWITH"))) return starts_with();
  return comparison();
}

Result<QueryParser::Index> QueryParser::starts_with() {
  MH_TRY_VOID(expect_sign("("));
  DeviceQuery::Node node;
  node.comparison = DeviceQuery::Operator::kStartsWith;
  node.subject = MH_TRY(operand());
  MH_TRY_VOID(expect_sign(","));
  node.others.push_back(MH_TRY(operand()));
  MH_TRY_VOID(expect_sign(")"));
  return add(std::move(node));
}

Result<QueryParser::Index> QueryParser::comparison() {
  DeviceQuery::Node node;
  node.subject = MH_TRY(operand());
  if (MH_TRY(take_keyword("IN"))) {
    node.comparison = DeviceQuery::Operator::kIn;
    node.others = MH_TRY(list());
  } else {
    node.comparison = MH_TRY(comparison_sign());
    node.others.push_back(MH_TRY(operand()));
  }
  return add(std::move(node));
}

Result<DeviceQuery::Operator> QueryParser::comparison_sign() {
  using enum DeviceQuery::Operator;
  constexpr std::array<std::pair<std::string_view, DeviceQuery::Operator>, 7> kSigns{{{"=", kEqual},
                                                                                      {"!=", kNotEqual},
                                                                                      {"<>", kNotEqual},
                                                                                      {"<", kLess},
                                                                                      {"<=", kLessOrEqual},
                                                                                      {">", kGreater},
                                                                                      {">=", kGreaterOrEqual}}};
  for (const auto& [sign, meaning] : kSigns) {
    if (MH_TRY(take_sign(sign))) return meaning;
  }
  return refuse("expected a comparison or IN");
}

Result<std::vector<DeviceQuery::Operand>> QueryParser::list() {
  MH_TRY_VOID(expect_sign("["));
  std::vector<DeviceQuery::Operand> out;
  do {
    if (out.size() >= kQueryTermsMax) return refuse("a list has at most " + std::to_string(kQueryTermsMax) + " values");
    out.push_back(MH_TRY(operand()));
  } while (MH_TRY(take_sign(",")));
  MH_TRY_VOID(expect_sign("]"));
  return out;
}

Result<DeviceQuery::Operand> QueryParser::operand() {
  using Literal = DeviceQuery::Literal;
  if (word_.kind == WordKind::kText) {
    Literal out = std::move(word_.text);
    MH_TRY_VOID(step());
    return DeviceQuery::Operand(std::move(out));
  }
  if (word_.kind == WordKind::kNumber) {
    Literal out = word_.number;
    MH_TRY_VOID(step());
    return DeviceQuery::Operand(std::move(out));
  }
  if (MH_TRY(take_keyword("TRUE"))) return DeviceQuery::Operand(Literal(true));
  if (MH_TRY(take_keyword("FALSE"))) return DeviceQuery::Operand(Literal(false));
  if (MH_TRY(take_keyword("NULL"))) return DeviceQuery::Operand(Literal(DeviceQuery::Null()));
  return field();
}

// deviceId, devices.deviceId, tags.building.floor
Result<DeviceQuery::Operand> QueryParser::field() {
  using Field = DeviceQuery::Field;
  if (word_.kind != WordKind::kName || is_one_of(word_, kNotOffered)) return refuse("expected a property or a value");
  std::string path(word_.spelling);
  const auto at = here();
  MH_TRY_VOID(step());
  while (MH_TRY(take_sign("."))) {
    if (word_.kind != WordKind::kName) return refuse("expected a name after the point");
    if (path == alias_) path.clear();
    path += (path.empty() ? "" : ".") + std::string(word_.spelling);
    MH_TRY_VOID(step());
  }
  if (word_.is_sign("("))
    return base::fail(Errc::kInvalidArgument, "the function " + path + " is not supported, " + at);
  constexpr std::array<std::pair<std::string_view, Field>, 5> kFields{
      {{"deviceId", Field::kDeviceId},
       {"status", Field::kStatus},
       {"statusReason", Field::kStatusReason},
       {"connectionState", Field::kConnectionState},
       {"authenticationType", Field::kAuthenticationType}}};
  const auto found = std::ranges::find(kFields, std::string_view(path), &std::pair<std::string_view, Field>::first);
  if (found != kFields.end()) return DeviceQuery::Operand(found->second);
  if (path == "tags" || path.starts_with("tags.") || path.starts_with("properties."))
    return DeviceQuery::Operand(Field::kAbsent);
  return base::fail(
      Errc::kInvalidArgument,
      "the property " + path + " is not supported, " + at +
          "; there are deviceId, status, statusReason, connectionState, authenticationType, tags and properties");
}

Result<DeviceQuery> DeviceQuery::parse(std::string_view text) {
  if (text.size() > kQueryBytesMax)
    return base::fail(Errc::kTooLarge, "a query has at most " + std::to_string(kQueryBytesMax) + " bytes");
  return QueryParser(text).query();
}

}  // namespace meterhub::identity
