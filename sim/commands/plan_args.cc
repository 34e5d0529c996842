#include "sim/commands/plan_args.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "sim/checkers/verdict.h"
#include "sim/commands/command.h"

namespace tidemark::sim {

std::function<absl::Status(const std::string&)> ProfileTo(Profile* to) {
  return [to](const std::string& name) {
    const absl::StatusOr<Profile> profile = ProfileOf(name);
    if (profile.ok()) *to = *profile;
    return profile.status();
  };
}

std::function<absl::Status(const std::string&)> OracleTo(std::string* to) {
  return [to](const std::string& text) {
    if (!IsOracle(text)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--mute: there is no oracle '", text, "', but ", OracleNames()));
    }
    *to = text;
    return absl::OkStatus();
  };
}

void PlanArgs::AddTo(Flags& flags) {
  flags
      .Value("--seed",
             [this](const std::string& text) {
               have_seed_ = true;
               return absl::SimpleAtoi(text, &seed_)
                          ? absl::OkStatus()
                          : absl::InvalidArgumentError("--seed wants a whole number");
             })
      .Value("--profile", ProfileTo(&profile_))
      .Switch("--canary", &canary_)
      .Value("--mute", OracleTo(&mute_))
      .Rest(1, &path_);
}

absl::StatusOr<ScenarioFile> PlanArgs::Read() const {
  if (have_seed_ == !path_.empty()) {
    return absl::InvalidArgumentError("which seed, or which scenario file? (one of them)");
  }
  if (!path_.empty()) return ReadScenario(path_.front());
  ScenarioFile file{.plan = PlanOf(seed_, profile_)};
  file.plan.scenario.canary = canary_;
  file.plan.scenario.mute = mute_;
  return file;
}

}  // namespace tidemark::sim
