#include <meterhub/sql/compile.h>

#include <fmt/format.h>

#include "binder.h"
#include "lexer.h"
#include "parser.h"
#include "report.h"

namespace meterhub::sql {

Compiled compile(std::string_view text, const CompileOptions& options) {
  Compiled result;
  Report report(text);
  if (text.size() > kQueryBytesMax) {
    report.error(Span{0, 0}, "query_too_large", fmt::format("the query has {} bytes", text.size()), fmt::format("at most {}", kQueryBytesMax));
    result.diagnostics = report.take();
    return result;
  }
  const ast::Program program = Parser(tokenize(text, report), report).parse();
  // With statements missing, binding finds mistakes that are none; with some read, it finds real ones.
  if (!program.statements.empty()) result.plan = Binder(program, options, report).run();
  result.diagnostics = report.take();
  return result;
}

}  // namespace meterhub::sql
