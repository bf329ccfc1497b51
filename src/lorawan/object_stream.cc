#include <meterhub/lorawan/answer.h>

namespace meterhub::lorawan {
namespace {

bool separates(char c) { return c == '\n' || c == '\0' || c == ' ' || c == '\r' || c == '\t'; }

}  // namespace

bool ObjectStream::take(char c, std::vector<std::string>& out) {
  if (depth_ == 0) {
    if (separates(c)) return true;
    if (c != '{') return false;
  }
  if (pending_.size() == object_max_) return false;
  pending_ += c;
  if (in_string_) {
    in_string_ = escaped_ || c != '"';
    escaped_ = !escaped_ && c == '\\';
    return true;
  }
  if (c == '"') in_string_ = true;
  if (c == '{' || c == '[') ++depth_;
  if (c == '}' || c == ']') --depth_;
  if (depth_ > 0) return true;
  out.push_back(std::move(pending_));
  pending_.clear();
  return true;
}

bool ObjectStream::feed(std::string_view bytes, std::vector<std::string>& out) {
  for (const char c : bytes) {
    if (!take(c, out)) return false;
  }
  return true;
}

}  // namespace meterhub::lorawan
