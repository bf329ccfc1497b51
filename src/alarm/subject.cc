#include <meterhub/alarm/episode.h>

namespace meterhub::alarm {

std::string Subject::text() const { return kind == SubjectKind::kMeter ? base::Eui64(number).text() : name; }

}  // namespace meterhub::alarm
