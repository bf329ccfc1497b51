#include <meterhub/base/assert.h>

#include <cstdio>
#include <cstdlib>

namespace meterhub::base {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "meterhub: broken invariant at %s:%d: %s\n", file, line, expression);
  std::abort();
}

}  // namespace meterhub::base
