#include <meterhub/base/toml_text.h>

#include <exception>
#include <sstream>

#include <toml++/toml.h>

namespace meterhub::base {

Result<std::string> json_of_toml(std::string_view text, std::string_view name) {
  try {
    std::ostringstream out;
    out << toml::json_formatter{toml::parse(text, name)};
    return out.str();
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    return fail(Errc::kInvalidArgument, std::string(name) + ":" + std::to_string(at.line) + ":" +
                                            std::to_string(at.column) + ": " + std::string(error.description()));
  } catch (const std::exception& error) {
    return fail(Errc::kInvalidArgument, std::string(name) + ": " + error.what());
  }
}

}  // namespace meterhub::base
