#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/engine/raft/cluster.h"

// Thousands of random schedules. Each seed draws a configuration (sizes, batches, safety nets on or
// off), a fault regime, and then faults; afterwards everything heals and must make progress.

namespace tidemark::raft {
namespace {

ClusterOptions Draw(uint64_t seed) {
  Prng prng(Mix64(seed));
  ClusterOptions options;
  options.seed = seed;
  options.nodes = prng.Between(1, 6);
  options.config = TestConfig();
  // The safety nets hide mistakes behind each other, so some seeds go without (never all).
  options.config.pre_vote = prng.Chance(1, 2);
  options.config.check_quorum = prng.Chance(3, 4);
  options.config.noop_at_election = prng.Chance(2, 3);
  options.config.append_entries_max = prng.Chance(1, 2) ? prng.Between(1, 5) : 64;
  options.config.append_bytes_max = prng.Chance(1, 3) ? prng.Between(1, 40) : 0;
  options.config.inflight_messages_max = prng.Chance(1, 2) ? prng.Between(1, 5) : 0;
  options.config.inflight_bytes_max = prng.Chance(1, 3) ? prng.Between(1, 100) : 0;
  options.drop = prng.Chance(1, 2) ? prng.Below(200) : 0;
  options.duplicate = prng.Chance(1, 2) ? prng.Below(200) : 0;
  options.delay_max =
      Duration::Millis(prng.Chance(1, 2) ? 1 : static_cast<int64_t>(prng.Between(2, 60)));
  options.write_max =
      Duration::Millis(prng.Chance(2, 3) ? 2 : static_cast<int64_t>(prng.Between(3, 120)));
  options.cached_entries = prng.Chance(1, 3) ? prng.Between(1, 6) : 0;
  options.read_failure = prng.Chance(1, 2) ? prng.Below(500) : 0;
  return options;
}

class Chaos {
 public:
  explicit Chaos(uint64_t seed) : cluster_(Draw(seed)), prng_(Mix64(seed ^ 0xc4a05)) {
    crash_weight_ = prng_.Below(4);
    cut_weight_ = prng_.Below(6);
    stall_weight_ = prng_.Below(3);
    misc_weight_ = prng_.Below(4);
    // Rarely proposing matters too: leaders that come and go without an entry of their own.
    propose_weight_ = prng_.Chance(1, 3) ? 1 + prng_.Below(3) : 1 + prng_.Below(40);
  }

  Cluster& cluster() { return cluster_; }

  void Run(int actions) {
    for (int i = 0; i < actions && cluster_.failures().empty(); ++i) {
      cluster_.RunFor(Duration::Micros(static_cast<int64_t>(prng_.Below(8000))));
      Act(i);
    }
  }

 private:
  NodeId Any() { return cluster_.ids()[prng_.Below(cluster_.ids().size())]; }
  // Faults aimed at the leader find more than faults aimed at anybody.
  NodeId Target() {
    const NodeId leader = cluster_.leader();
    return leader != kNoNode && prng_.Chance(1, 2) ? leader : Any();
  }

  void Act(int i) {
    uint64_t pick = prng_.Below(propose_weight_ + crash_weight_ * 2 + cut_weight_ * 2 +
                                stall_weight_ * 2 + misc_weight_);
    const auto takes = [&pick](uint64_t weight) {
      if (pick < weight) return true;
      pick -= weight;
      return false;
    };
    if (takes(propose_weight_)) return Propose(i);
    if (takes(crash_weight_)) return cluster_.Crash(Target());
    if (takes(crash_weight_)) return RestartSome();
    if (takes(cut_weight_)) return CutSomething();
    if (takes(cut_weight_)) return Mend();
    if (takes(stall_weight_)) return cluster_.StallDisk(Target(), true);
    if (takes(stall_weight_)) return cluster_.StallDisk(Any(), false);
    switch (prng_.Below(4)) {
      case 0:
        return cluster_.ResetPeer(Target(), Any());
      case 1:
        return cluster_.Transfer(Target(), prng_.Chance(1, 2) ? kNoNode : Any());
      case 2:
        return cluster_.ReplayOld(1 + prng_.Below(8));
      default:
        return cluster_.DropInFlight();
    }
  }

  void RestartSome() {
    for (const NodeId id : cluster_.ids()) {
      if (prng_.Chance(2, 3)) cluster_.Restart(id);
    }
  }

  // At whoever believes to lead, deposed leaders included.
  void Propose(int i) {
    for (const NodeId id : cluster_.ids()) {
      const uint64_t burst = 1 + prng_.Below(3);
      for (uint64_t j = 0; j < burst; ++j) {
        cluster_.Propose(id, absl::StrCat("n", id.value(), ".", i, ".", j));
      }
    }
  }

  void CutSomething() {
    const NodeId a = Target();
    switch (prng_.Below(4)) {
      case 0:
        return cluster_.Isolate(a);
      case 1:
        // Cut off with entries nobody else has (or that just got out to some).
        Propose(1'000'000 + static_cast<int>(prng_.Below(1'000'000)));
        if (prng_.Chance(1, 2)) cluster_.RunFor(Duration::Micros(300));
        return cluster_.Isolate(a);
      case 2:
        return cluster_.Cut(a, Any());
      default:
        return cluster_.CutBoth(a, Any());
    }
  }

  void Mend() {
    for (const NodeId a : cluster_.ids()) {
      for (const NodeId b : cluster_.ids()) {
        if (prng_.Chance(1, 2)) cluster_.Mend(a, b);
      }
    }
  }

  Cluster cluster_;
  Prng prng_;
  uint64_t crash_weight_;
  uint64_t cut_weight_;
  uint64_t stall_weight_;
  uint64_t misc_weight_;
  uint64_t propose_weight_;
};

// After healing: a leader, a commit of everybody, equal logs, and no further change of leader.
std::string Converges(Cluster& cluster) {
  cluster.Heal();
  if (!cluster.ProposeAndSettle("healed", Duration::Seconds(20)))
    return "no progress after healing";
  // What was under way when it healed (a transfer, late repetitions) may still change the leader.
  cluster.RunFor(Duration::Seconds(2));
  const NodeId leader = cluster.leader();
  if (leader == kNoNode) return "no leader when nothing is wrong";
  const Term term = cluster.raft(leader).term();
  cluster.RunFor(Duration::Seconds(2));
  if (cluster.leader() != leader || cluster.raft(leader).term() != term) {
    return "the leader changes although nothing is wrong";
  }
  if (!cluster.ProposeAndSettle("settled", Duration::Seconds(5))) return "no progress when settled";
  cluster.RunFor(Duration::Seconds(1));
  const auto& reference = cluster.disk(leader);
  for (const NodeId id : cluster.ids()) {
    const auto& disk = cluster.disk(id);
    if (disk.size() != reference.size()) return "logs of different length after healing";
    for (size_t i = 0; i < disk.size(); ++i) {
      if (disk[i].term != reference[i].term || !(disk[i].frame == reference[i].frame)) {
        return "logs differ after healing";
      }
    }
    if (cluster.raft(id).commit() != cluster.log(leader).last_index()) return "commit lags";
    if (cluster.raft(id).leader() != leader) return "a member does not know the leader";
  }
  return "";
}

void RunSeeds(uint64_t begin, uint64_t end, Counters* seen) {
  for (uint64_t seed = begin; seed < end; ++seed) {
    Chaos chaos(seed);
    chaos.Run(600);
    const std::string stuck = chaos.cluster().failures().empty() ? Converges(chaos.cluster()) : "";
    ASSERT_TRUE(chaos.cluster().failures().empty())
        << "seed " << seed << ": " << chaos.cluster().failures().front();
    ASSERT_EQ(stuck, "") << "seed " << seed;
    const Counters totals = chaos.cluster().totals();
    ASSERT_EQ(totals.contradictions, 0u) << "seed " << seed;
    seen->elections_won += totals.elections_won;
    seen->truncations += totals.truncations;
    seen->pipeline_breaks += totals.pipeline_breaks;
    seen->quorum_losses += totals.quorum_losses;
  }
}

class RandomSchedules : public ::testing::TestWithParam<uint64_t> {};

TEST_P(RandomSchedules, KeepEverySafetyPropertyAndRecover) {
  constexpr uint64_t kSeeds = 500;
  Counters seen;
  RunSeeds(GetParam() * kSeeds, (GetParam() + 1) * kSeeds, &seen);
  if (HasFatalFailure()) return;
  // A campaign that did not see these proves nothing about them.
  EXPECT_GT(seen.elections_won, kSeeds * 2);
  EXPECT_GT(seen.truncations, kSeeds / 8);
  EXPECT_GT(seen.pipeline_breaks, kSeeds);
  EXPECT_GT(seen.quorum_losses, kSeeds / 20);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomSchedules, ::testing::Range<uint64_t>(0, 6));

}  // namespace
}  // namespace tidemark::raft
