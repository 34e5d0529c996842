#include "sim/plan.h"

#include "absl/strings/str_cat.h"

namespace tidemark::sim {

std::string_view Version() { return TIDEMARK_VERSION; }

std::string ReplayCommandOf(const Plan& plan) {
  return absl::StrCat("tidemark-sim replay --seed ", plan.seed, " --profile ",
                      std::string(NameOf(plan.profile)), plan.scenario.canary ? " --canary" : "",
                      plan.scenario.mute.empty() ? "" : " --mute ", plan.scenario.mute);
}

}  // namespace tidemark::sim
