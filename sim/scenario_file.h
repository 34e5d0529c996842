#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "sim/plan.h"

namespace tidemark::sim {

// A plan as a file that a person can read, edit and replay: SCENARIO.md says what is in it.
struct ScenarioFile {
  Plan plan;
  // What came of the plan when the file was written; empty or absent if it does not say.
  std::string oracle;
  std::string what;
  std::optional<uint64_t> hash;
  std::string version;
};

// Bytes of a file beyond which it is refused.
inline constexpr size_t kScenarioBytesMax = 64u << 20;

// Errors  kInvalidArgument: "line 7: ...", with the name of what is unknown, missing or out of
//         range, and what would do.
absl::StatusOr<ScenarioFile> ParseScenario(std::string_view text);
std::string FormatScenario(const ScenarioFile& file);

// The same with a file of the world outside. Errors  also kNotFound and kUnavailable, with the
// path.
absl::StatusOr<ScenarioFile> ReadScenario(const std::string& path);
absl::Status WriteScenario(const std::string& path, const ScenarioFile& file);

// "150ms", in the largest unit of s, ms, us and ns that says it exactly, and back.
std::string DurationText(Duration duration);
std::optional<Duration> ParseDuration(std::string_view text);

}  // namespace tidemark::sim
