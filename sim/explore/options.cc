#include "sim/explore/options.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace tidemark::sim::explore {
namespace {

constexpr uint64_t kDepthMax = 1000;
constexpr uint64_t kTermsMax = 100;

absl::Status Bounded(std::string_view name, uint64_t value, uint64_t min, uint64_t max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--", std::string(name), " wants a number from ",
                                                 min, " to ", max, ", not ", value));
}

}  // namespace

std::string_view NameOf(Budget budget) {
  constexpr std::string_view kNames[kBudgets] = {"appends", "crashes",   "timeouts",
                                                 "beats",   "drops",     "duplicates",
                                                 "changes", "transfers", "reads"};
  return kNames[static_cast<size_t>(budget)];
}

absl::Status Options::Validate() const {
  absl::Status status = Bounded("nodes", nodes, 1, kMembersMax);
  status.Update(Bounded("voters", voters, 0, nodes));
  status.Update(Bounded("depth", depth, 1, kDepthMax));
  status.Update(Bounded("terms", terms, 1, kTermsMax));
  for (size_t i = 0; i < kBudgets; ++i) {
    status.Update(Bounded(NameOf(static_cast<Budget>(i)), budgets[i], 0, kBudgetMax));
  }
  return status;
}

}  // namespace tidemark::sim::explore
