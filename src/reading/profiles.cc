#include <meterhub/reading/profiles.h>

#include <meterhub/base/logging.h>

namespace meterhub::reading {

void Profiles::load(const registry::Directory& directory) {
  current_.clear();
  for (const auto& entry : directory.profiles()) {
    auto& slot = by_text_[entry.text];
    if (!slot) {
      auto parsed = meter::parse_profile(entry.text);
      if (!parsed) {
        base::logging::error("profile_unusable", {{"profile", entry.name}, {"error", parsed.error().text}});
        continue;
      }
      slot = std::make_unique<meter::Profile>(std::move(*parsed));
    }
    current_[entry.name] = slot.get();
  }
}

const meter::Profile* Profiles::find(std::string_view name) const {
  if (name.empty()) name = "v1";
  const auto it = current_.find(name);
  return it != current_.end() ? it->second : meter::builtin_profile(name);
}

}  // namespace meterhub::reading
