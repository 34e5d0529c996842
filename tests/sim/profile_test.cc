#include "sim/profile.h"

#include <gtest/gtest.h>

#include "sim/run.h"

namespace tidemark::sim {
namespace {

TEST(Profile, EachIsFoundByItsName) {
  for (const Profile profile : kProfiles) {
    const absl::StatusOr<Profile> found = ProfileOf(NameOf(profile));
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(*found, profile);
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ProfileOf("sworm").status()));
}

TEST(Profile, ThoseOfFeaturesThatAreNotThereYetSayWhatTheyWaitFor) {
  EXPECT_TRUE(absl::IsUnimplemented(ProfileOf("upgrade").status()));
}

TEST(Profile, InjectsItsOwnFaultsAndNoOthers) {
  for (const Profile profile : {Profile::kCrash, Profile::kDisk, Profile::kNetwork}) {
    Coverage seen;
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      const RunResult result = RunPlan(PlanOf(seed, profile));
      EXPECT_TRUE(result.ok()) << NameOf(profile) << " " << result.Line();
      seen.Add(result.coverage);
    }
    size_t injected = 0;
    for (size_t i = 0; Probe(i) < kFirstState; ++i) {
      const std::span<const Probe> due = ProbesDue(profile);
      const bool own = std::find(due.begin(), due.end(), Probe(i)) != due.end();
      // What a power loss does to names comes with it.
      if (!own && Probe(i) != Probe::kNameLost) {
        EXPECT_EQ(seen[Probe(i)], 0u) << NameOf(profile) << " " << NameOf(Probe(i));
      }
      injected += own && seen[Probe(i)] > 0;
    }
    EXPECT_GE(injected, 4u) << NameOf(profile);
  }
}

TEST(Profile, MembersChangeInEverySeedOfTheirsAndInSomeOfOthers) {
  const auto changes = [](uint64_t seed, Profile profile) {
    const Scenario s = ScenarioOf(seed, profile);
    EXPECT_TRUE(s.Validate().ok()) << seed << ": " << s.Validate();
    return !s.newcomers.empty();
  };
  int swarm = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    EXPECT_TRUE(changes(seed, Profile::kMembership));
    EXPECT_FALSE(changes(seed, Profile::kCrash) || changes(seed, Profile::kDisk) ||
                 changes(seed, Profile::kNetwork));
    EXPECT_EQ(changes(seed, Profile::kSwarm), changes(seed, Profile::kEverything));
    swarm += changes(seed, Profile::kSwarm) ? 1 : 0;
  }
  EXPECT_GT(swarm, 15);
  EXPECT_LT(swarm, 50);
}

TEST(Profile, EverythingLeavesNoFaultOut) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const Scenario s = ScenarioOf(seed, Profile::kEverything);
    for (const uint32_t rate : {s.message_lost,
                                s.message_duplicated,
                                s.message_reordered,
                                s.datagram_lost,
                                s.datagram_damaged,
                                s.client_break,
                                s.crash_in_step,
                                s.crash_in_flush,
                                s.frames_forged,
                                s.flush_slow,
                                s.flush_fails,
                                s.weights.power_loss,
                                s.weights.process_kill,
                                s.weights.cluster_power_loss,
                                s.weights.graceful_restart,
                                s.weights.pause,
                                s.weights.partition,
                                s.weights.link_break,
                                s.weights.disk_full,
                                s.weights.wall_clock,
                                s.weights.disk_hang,
                                s.read_fails,
                                s.weights.link_slow,
                                s.weights.half_open}) {
      EXPECT_GT(rate, 0u);
    }
    EXPECT_GT(s.scrub_bytes_per_second, 0u);
    // Where machines are replaced for good, no copy may be lost in another way.
    EXPECT_EQ(s.rot_gap > Duration(), s.newcomers.empty());
    EXPECT_EQ(s.log_end_rots > 0, s.newcomers.empty());
  }
}

}  // namespace
}  // namespace tidemark::sim
