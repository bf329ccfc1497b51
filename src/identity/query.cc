#include "query.h"

#include <algorithm>

namespace meterhub::identity {

DeviceQuery::Value DeviceQuery::value_of(const Operand& operand, const DeviceRow& row) {
  if (const auto* const literal = std::get_if<Literal>(&operand)) {
    if (const auto* const text = std::get_if<std::string>(literal)) return std::string_view(*text);
    if (const auto* const number = std::get_if<double>(literal)) return *number;
    if (const auto* const flag = std::get_if<bool>(literal)) return *flag;
    return Null();
  }
  switch (std::get<Field>(operand)) {
    case Field::kDeviceId: return row.device_id;
    case Field::kStatus: return row.status;
    case Field::kConnectionState: return row.connection_state;
    case Field::kAuthenticationType: return row.authentication_type;
    case Field::kStatusReason:
      if (row.status_reason) return *row.status_reason;
      return Null();
    case Field::kAbsent: break;
  }
  return std::nullopt;
}

// Values of different kinds have no order and are not even unequal.
DeviceQuery::Truth DeviceQuery::compare(const Value& a, Operator comparison, const Value& b) {
  if (!a || !b || a->index() != b->index()) return std::nullopt;
  if (comparison == Operator::kEqual || comparison == Operator::kIn) return *a == *b;
  if (comparison == Operator::kNotEqual) return *a != *b;
  const auto* const text = std::get_if<std::string_view>(&*a);
  const auto* const number = std::get_if<double>(&*a);
  if (comparison == Operator::kStartsWith) {
    return text == nullptr ? Truth() : text->starts_with(std::get<std::string_view>(*b));
  }
  if (text == nullptr && number == nullptr) return std::nullopt;
  const auto order = text != nullptr ? std::partial_ordering(*text <=> std::get<std::string_view>(*b))
                                     : *number <=> std::get<double>(*b);
  switch (comparison) {
    case Operator::kLess: return order < 0;
    case Operator::kLessOrEqual: return order <= 0;
    case Operator::kGreater: return order > 0;
    default: return order >= 0;
  }
}

// IN is a chain of OR: true when one is, else unknown when one is.
DeviceQuery::Truth DeviceQuery::truth_of_comparison(const Node& node, const DeviceRow& row) const {
  const auto subject = value_of(node.subject, row);
  Truth out = false;
  for (const auto& other : node.others) {
    const auto one = compare(subject, node.comparison, value_of(other, row));
    if (one == Truth(true)) return true;
    if (!one) out = std::nullopt;
  }
  return out;
}

DeviceQuery::Truth DeviceQuery::truth_of(std::size_t index, const DeviceRow& row) const {
  const auto& node = nodes_[index];
  if (node.kind == Kind::kCompare) return truth_of_comparison(node, row);
  const auto left = truth_of(node.left, row);
  if (node.kind == Kind::kNot) return left ? Truth(!*left) : Truth();
  const Truth decides = node.kind == Kind::kOr;
  if (left == decides) return decides;
  const auto right = truth_of(node.right, row);
  if (right == decides) return decides;
  return left && right ? Truth(!*decides) : Truth();
}

bool DeviceQuery::matches(const DeviceRow& row) const { return !where_ || truth_of(*where_, row) == Truth(true); }

}  // namespace meterhub::identity
