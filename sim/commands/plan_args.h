#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sim/commands/flags.h"
#include "sim/profile.h"
#include "sim/scenario_file.h"

namespace tidemark::sim {

// Takes the value of --profile.
std::function<absl::Status(const std::string&)> ProfileTo(Profile* to);

// Takes the value of --mute.
std::function<absl::Status(const std::string&)> OracleTo(std::string* to);

// How commands are told what to run: "--seed N [--profile P] [--canary] [--mute ORACLE]", or the
// path of a scenario file.
class PlanArgs {
 public:
  // Declares the arguments; this must outlive `flags`.
  void AddTo(Flags& flags);
  // After Flags::Parse. Errors  kInvalidArgument and those of ReadScenario.
  absl::StatusOr<ScenarioFile> Read() const;

 private:
  bool have_seed_ = false;
  uint64_t seed_ = 0;
  Profile profile_ = Profile::kSwarm;
  bool canary_ = false;
  std::string mute_;
  std::vector<std::string> path_;
};

}  // namespace tidemark::sim
