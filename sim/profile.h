#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "sim/coverage.h"
#include "sim/scenario.h"

namespace tidemark::sim {

// What a campaign looks for. Each profile is the swarm with its own faults switched on and the
// others off, so that one family of faults is met in every seed, and by itself.
enum class Profile : uint8_t {
  kSwarm,       // every seed switches features and faults on and off at random
  kCrash,       // nodes lose power, are killed, restart; nothing else goes wrong
  kDisk,        // syncs are slow and fail, disks fill up and rot, and power is lost
  kNetwork,     // messages and connections suffer, partitions come and go
  kMembership,  // nodes join, leave and are replaced in every seed, whatever else happens
  kEverything,  // all of it in every seed, members in some
  kUptime,      // 26 days of a quiet cluster, some twenty faults a day: a seed takes minutes
};

inline constexpr Profile kProfiles[] = {
    Profile::kSwarm,      Profile::kCrash,      Profile::kDisk,  Profile::kNetwork,
    Profile::kMembership, Profile::kEverything, Profile::kUptime};

std::string_view NameOf(Profile profile);
// Errors  kInvalidArgument: there is none of that name. kUnimplemented: there will be, and what it
//         waits for.
absl::StatusOr<Profile> ProfileOf(std::string_view name);

// The scenario that `seed` names under `profile`.
Scenario ScenarioOf(uint64_t seed, Profile profile);

// What a campaign of the profile must have injected and reached, or it proves less than it seems.
std::span<const Probe> ProbesDue(Profile profile);

}  // namespace tidemark::sim
