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
  options.config.eager_commit = prng.Chance(1, 4);
  options.config.cumulative_acks = prng.Chance(3, 4);
  return options;
}

// The same with members that change, logs whose prefix goes, and reads.
ClusterOptions DrawChanging(uint64_t seed) {
  ClusterOptions options = Draw(seed);
  Prng prng(Mix64(seed ^ 0x3e3be5));
  options.nodes = prng.Between(3, 6);
  options.voters = prng.Between(1, options.nodes);
  options.config.noop_at_election = true;  // as always where members change
  options.config.lease_reads = options.config.check_quorum && prng.Chance(1, 2);
  options.apply = prng.Chance(1, 2) ? 1000 : prng.Between(100, 900);
  options.install_failure = prng.Chance(1, 2) ? prng.Below(500) : 0;
  return options;
}

class Chaos {
 public:
  Chaos(uint64_t seed, ClusterOptions options)
      : cluster_(std::move(options)), prng_(Mix64(seed ^ 0xc4a05)) {
    crash_weight_ = prng_.Below(4);
    cut_weight_ = prng_.Below(6);
    stall_weight_ = prng_.Below(3);
    misc_weight_ = prng_.Below(4);
    // Rarely proposing matters too: leaders that come and go without an entry of their own.
    propose_weight_ = prng_.Chance(1, 3) ? 1 + prng_.Below(3) : 1 + prng_.Below(40);
  }

  // Members change, prefixes go and clients read.
  void SetChanging() {
    change_weight_ = 1 + prng_.Below(12);
    compact_weight_ = prng_.Below(6);
    read_weight_ = 1 + prng_.Below(12);
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
    uint64_t pick =
        prng_.Below(propose_weight_ + crash_weight_ * 2 + cut_weight_ * 2 + stall_weight_ * 2 +
                    misc_weight_ + change_weight_ + compact_weight_ + read_weight_);
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
    if (takes(change_weight_)) return ChangeMembers();
    if (takes(compact_weight_)) return cluster_.Compact(Any());
    if (takes(read_weight_)) return cluster_.Read(Any());
    switch (prng_.Below(4)) {
      case 0: {
        // One draw a statement: compilers evaluate arguments in the order they like.
        const NodeId at = Target();
        return cluster_.ResetPeer(at, Any());
      }
      case 1: {
        const NodeId from = Target();
        return (void)cluster_.Transfer(from, prng_.Chance(1, 2) ? kNoNode : Any());
      }
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

  void ChangeMembers() {
    ConfChange change{.transition = static_cast<ConfChange::Transition>(prng_.Below(3))};
    const uint64_t steps = prng_.Chance(1, 4) ? 0 : prng_.Between(1, 4);
    if (prng_.Chance(1, 2)) change.transition = ConfChange::Transition::kAuto;
    for (uint64_t i = 0; i < steps; ++i) {
      change.changes.push_back({.kind = static_cast<Change::Kind>(prng_.Below(4)), .node = Any()});
    }
    // At whoever believes to lead.
    for (const NodeId id : cluster_.ids()) (void)cluster_.ProposeChange(id, change);
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
  uint64_t change_weight_ = 0;
  uint64_t compact_weight_ = 0;
  uint64_t read_weight_ = 0;
};

// After healing: a leader, a commit of everybody, equal logs, and no further change of leader.
std::string Converges(Cluster& cluster) {
  cluster.Heal();
  if (!cluster.MakeAllVoters()) return "the members cannot be changed after healing";
  if (!cluster.ProposeAndSettle("healed", Duration::Seconds(20)))
    return "no progress after healing";
  // What was in the log of who leads now may have changed them once more.
  if (!cluster.MakeAllVoters()) return "the members cannot be changed";
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
  const LogIndex last = cluster.DiskLast(leader);
  for (const NodeId id : cluster.ids()) {
    if (cluster.DiskLast(id) != last) return "logs of different length after healing";
    for (LogIndex i = last;
         i >= std::max(cluster.log(id).first_index(), cluster.log(leader).first_index());
         i = i - 1) {
      const Entry& here = cluster.log(id).At(i);
      const Entry& there = cluster.log(leader).At(i);
      if (here.term != there.term || !(here.frame == there.frame)) return "logs differ";
    }
    if (cluster.raft(id).commit() != cluster.log(leader).last_index()) return "commit lags";
    if (cluster.raft(id).leader() != leader) return "a member does not know the leader";
  }
  return "";
}

void RunSeed(uint64_t seed, Chaos& chaos, Counters* seen) {
  chaos.Run(600);
  const std::string stuck = chaos.cluster().failures().empty() ? Converges(chaos.cluster()) : "";
  ASSERT_TRUE(chaos.cluster().failures().empty())
      << "seed " << seed << ": " << chaos.cluster().failures().front();
  ASSERT_EQ(stuck, "") << "seed " << seed << chaos.cluster().Describe();
  const Counters totals = chaos.cluster().totals();
  ASSERT_EQ(totals.contradictions, 0u) << "seed " << seed;
  seen->elections_won += totals.elections_won;
  seen->truncations += totals.truncations;
  seen->pipeline_breaks += totals.pipeline_breaks;
  seen->quorum_losses += totals.quorum_losses;
  seen->conf_changes_applied += totals.conf_changes_applied;
  seen->snapshots_sent += totals.snapshots_sent;
  seen->snapshots_installed += totals.snapshots_installed;
  seen->reads_answered += chaos.cluster().reads_answered();
}

class RandomSchedules : public ::testing::TestWithParam<uint64_t> {};

TEST_P(RandomSchedules, KeepEverySafetyPropertyAndRecover) {
  constexpr uint64_t kSeeds = 500;
  Counters seen;
  for (uint64_t seed = GetParam() * kSeeds; seed < (GetParam() + 1) * kSeeds; ++seed) {
    Chaos chaos(seed, Draw(seed));
    RunSeed(seed, chaos, &seen);
    if (HasFatalFailure()) return;
  }
  // A campaign that did not see these proves nothing about them.
  EXPECT_GT(seen.elections_won, kSeeds * 2);
  EXPECT_GT(seen.truncations, kSeeds / 8);
  EXPECT_GT(seen.pipeline_breaks, kSeeds);
  EXPECT_GT(seen.quorum_losses, kSeeds / 20);
}

TEST_P(RandomSchedules, KeepEverySafetyPropertyWhileMembersChange) {
  constexpr uint64_t kSeeds = 400;
  Counters seen;
  for (uint64_t seed = GetParam() * kSeeds; seed < (GetParam() + 1) * kSeeds; ++seed) {
    Chaos chaos(seed, DrawChanging(seed));
    chaos.SetChanging();
    RunSeed(seed, chaos, &seen);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(seen.conf_changes_applied, kSeeds * 5);
  EXPECT_GT(seen.snapshots_sent, kSeeds / 4);
  EXPECT_GT(seen.snapshots_installed, kSeeds / 8);
  EXPECT_GT(seen.reads_answered, kSeeds);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomSchedules, ::testing::Range<uint64_t>(0, 6));

}  // namespace
}  // namespace tidemark::raft
