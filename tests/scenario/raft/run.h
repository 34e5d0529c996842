#pragma once

#include <string>
#include <string_view>

namespace tidemark::scenario {

struct Outcome {
  enum class Kind {
    kAsExpected,
    kDiffers,    // from what is recorded
    kBroken,     // a requirement does not hold, or an oracle speaks
    kUnreadable  // a statement cannot be understood
  };
  Kind kind = Kind::kAsExpected;
  // For a person, with the name of the file and the line; empty if as expected.
  std::string report;
  // kAsExpected, kDiffers: the scenario with the output of this run.
  std::string recorded;
};

// Runs the scenario `text`, called `name` in what is reported.
Outcome RunScenario(std::string_view name, std::string_view text);

}  // namespace tidemark::scenario
