#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sim/explore/options.h"
#include "sim/explore/space.h"

namespace tidemark::sim::explore {

// A path that an exploration took, as a file that a person can read (EXPLORE.md).
struct ExplorationFile {
  Options options;
  // The oracle that spoke, "check" for an invariant of the product; empty if all was well.
  std::string oracle;
  std::string what;
  // Events as Space::Text has them.
  std::vector<std::string> steps;
};

// The path of `events` from the beginning.
ExplorationFile FileOf(const Options& options, const Space& space,
                       const std::vector<Event>& events);

// Whether the file at `path` can be read and is meant to be one of these.
bool IsExplorationFile(const std::string& path);

// Errors  kNotFound; kInvalidArgument as DecodeExploration.
absl::StatusOr<ExplorationFile> ReadExploration(const std::string& path);

std::string Encode(const ExplorationFile& file);
// Errors  kInvalidArgument: "line 7: what is wrong there".
absl::StatusOr<ExplorationFile> DecodeExploration(std::string_view text);

// Runs the steps of `file`; `tell` hears each before it is done, with the member it is about
// before and after, a line each.
//   Errors  kInvalidArgument: a step that cannot be taken, with those that can.
absl::StatusOr<Verdict> Replay(const ExplorationFile& file,
                               const std::function<void(const std::string&)>& tell);

}  // namespace tidemark::sim::explore
