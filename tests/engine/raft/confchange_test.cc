#include "engine/raft/confchange.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/base/limits.h"

namespace tidemark::raft {
namespace {

constexpr LogIndex kLast{7};

Change Voter(uint64_t id) { return {.kind = Change::Kind::kAddVoter, .node = NodeId{id}}; }
Change Learner(uint64_t id) { return {.kind = Change::Kind::kAddLearner, .node = NodeId{id}}; }
Change Gone(uint64_t id) { return {.kind = Change::Kind::kRemove, .node = NodeId{id}}; }

NodeSet Nodes(const std::vector<uint64_t>& ids) {
  NodeSet nodes;
  for (const uint64_t id : ids) nodes.Insert(NodeId{id});
  return nodes;
}

// A group of voters 1..`voters`, made one by one.
Tracker Group(uint64_t voters) {
  Tracker tracker;
  for (uint64_t id = 1; id <= voters; ++id) {
    const std::vector<Change> change = {Voter(id)};
    tracker = ChangeSimply(tracker, LogIndex{id}, change).value();
  }
  return tracker;
}

absl::StatusOr<Tracker> Simply(const Tracker& from, const std::vector<Change>& changes) {
  return ChangeSimply(from, kLast, changes);
}
absl::StatusOr<Tracker> Enter(const Tracker& from, const std::vector<Change>& changes,
                              bool auto_leave = false) {
  return EnterJoint(from, kLast, auto_leave, changes);
}

void ExpectRefused(const absl::StatusOr<Tracker>& result, const std::string& why) {
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(result.status().message(), why);
}

TEST(ConfChange, ANewMemberIsProbedFromTheEndOfTheLogAndCountsAsHeard) {
  const Tracker group = Simply(Group(1), {Learner(4)}).value();
  EXPECT_EQ(*group.Find(NodeId{4}), (MemberProgress{.id = NodeId{4},
                                                    .match = LogIndex{0},
                                                    .next = kLast,
                                                    .is_learner = true,
                                                    .recent_active = true}));
  // There is no entry 0 to probe.
  const std::vector<Change> first = {Voter(1)};
  EXPECT_EQ(ChangeSimply(Tracker(), LogIndex{0}, first)->Find(NodeId{1})->next, LogIndex{1});
}

TEST(ConfChange, EnteringKeepsTheOldVotersAsTheOutgoingHalf) {
  const Tracker joint = Enter(Group(3), {Gone(1), Voter(4)}, /*auto_leave=*/true).value();
  EXPECT_EQ(joint.membership.voters.incoming.voters(), Nodes({2, 3, 4}));
  EXPECT_EQ(joint.membership.voters.outgoing.voters(), Nodes({1, 2, 3}));
  EXPECT_TRUE(joint.membership.auto_leave);
  EXPECT_EQ(joint.members.size(), 4u);
}

TEST(ConfChange, LeavingForgetsWhoIsNoMemberOfTheIncomingHalf) {
  const Tracker joint = Enter(Group(3), {Gone(1), Voter(4)}, /*auto_leave=*/true).value();
  const Tracker left = LeaveJoint(joint).value();
  EXPECT_EQ(left.membership.voters.incoming.voters(), Nodes({2, 3, 4}));
  EXPECT_FALSE(left.membership.joint());
  EXPECT_FALSE(left.membership.auto_leave);
  EXPECT_EQ(left.Find(NodeId{1}), nullptr);
}

TEST(ConfChange, ADemotedVoterVotesUntilTheJointConfigurationIsLeftAndKeepsItsProgress) {
  Tracker group = Group(3);
  group.members[0].match = LogIndex{5};
  group.members[0].next = LogIndex{6};
  group.members[0].recent_active = false;
  const Tracker joint = Enter(group, {Learner(1)}).value();
  EXPECT_EQ(joint.membership.learners, Nodes({}));
  EXPECT_EQ(joint.membership.learners_next, Nodes({1}));
  EXPECT_EQ(*joint.Find(NodeId{1}), group.members[0]);
  const Tracker left = LeaveJoint(joint).value();
  EXPECT_EQ(left.membership.learners, Nodes({1}));
  EXPECT_EQ(left.membership.learners_next, Nodes({}));
  MemberProgress demoted = group.members[0];
  demoted.is_learner = true;
  EXPECT_EQ(*left.Find(NodeId{1}), demoted);
}

TEST(ConfChange, LastStepAboutANodeCounts) {
  const Tracker group = Group(2);
  EXPECT_EQ(Simply(group, {Learner(2), Voter(2)}).value(), group);
  const Tracker joint = Enter(group, {Learner(1), Voter(1), Gone(2), Learner(2)}).value();
  EXPECT_EQ(joint.membership.voters.incoming.voters(), Nodes({1}));
  EXPECT_EQ(joint.membership.learners_next, Nodes({2}));
}

TEST(ConfChange, SkipsNobodyAndUpdates) {
  const Tracker group = Group(2);
  const Change update{.kind = Change::Kind::kUpdate, .node = NodeId{9}};
  EXPECT_EQ(Simply(group, {Voter(0), Learner(0), Gone(0), update}).value(), group);
}

TEST(ConfChange, RefusesWhatIsNotSafe) {
  const Tracker joint = Enter(Group(3), {}).value();
  ExpectRefused(Enter(joint, {}), kAlreadyJoint);
  ExpectRefused(Simply(joint, {Learner(9)}), kSimpleWhileJoint);
  ExpectRefused(LeaveJoint(Group(3)), kNotJoint);
  ExpectRefused(LeaveJoint(Tracker()), kNotJoint);
  ExpectRefused(Enter(Tracker(), {Voter(1)}), kNoVotersToJoin);
  ExpectRefused(Simply(Group(3), {Voter(4), Voter(5)}), kMoreThanOneVoter);
  ExpectRefused(Simply(Group(3), {Gone(1), Voter(4)}), kMoreThanOneVoter);
  ExpectRefused(Simply(Group(3), {Learner(1), Voter(4)}), kMoreThanOneVoter);
  ExpectRefused(Simply(Group(1), {Gone(1)}), kNoVotersLeft);
  ExpectRefused(Simply(Tracker(), {Learner(1)}), kNoVotersLeft);
  ExpectRefused(Enter(Group(2), {Gone(1), Learner(2)}), kNoVotersLeft);
}

TEST(ConfChange, RefusesOneMemberMoreThanTheMost) {
  std::vector<Change> changes;
  for (uint64_t id = 2; id <= kNodesMax; ++id) changes.push_back(Learner(id));
  const Tracker full = Simply(Group(1), changes).value();
  EXPECT_EQ(full.members.size(), kNodesMax);
  for (const Change& one_more : {Learner(kNodesMax + 1), Voter(kNodesMax + 1)}) {
    EXPECT_EQ(Simply(full, {one_more}).status().code(), absl::StatusCode::kResourceExhausted);
  }
  EXPECT_TRUE(Simply(full, {Gone(2), Learner(kNodesMax + 1)}).ok());
}

TEST(ConfChange, EveryRuleAboutATrackerIsChecked) {
  const Tracker good = LeaveJoint(Enter(Group(3), {Learner(3), Learner(4)}).value()).value();
  ASSERT_TRUE(CheckTracker(good).ok());
  ASSERT_TRUE(CheckTracker(Tracker()).ok());
  const auto expect_broken = [](const Tracker& from, auto breaking, const std::string& rule) {
    Tracker tracker = from;
    breaking(tracker);
    const absl::Status status = CheckTracker(tracker);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << rule;
    EXPECT_NE(status.message().find(rule), absl::string_view::npos) << status.message();
    EXPECT_EQ(ChangeSimply(tracker, kLast, {}).status(), status);
    EXPECT_EQ(EnterJoint(tracker, kLast, false, {}).status(), status);
    EXPECT_EQ(LeaveJoint(tracker).status(), status);
  };
  expect_broken(good, [](Tracker& t) { t.members.pop_back(); }, "member 4 has no progress");
  expect_broken(
      good, [](Tracker& t) { t.membership.learners.Insert(NodeId{1}); },
      "member 1 is a learner and a voter");
  expect_broken(
      good, [](Tracker& t) { t.membership.learners_next.Insert(NodeId{1}); },
      "member 1 waits to become a learner, but is no outgoing voter");
  expect_broken(good, [](Tracker& t) { t.membership.auto_leave = true; }, "leave automatically");
  expect_broken(good, [](Tracker& t) { t.members[0].next = LogIndex{0}; }, "match not below");
  expect_broken(good, [](Tracker& t) { t.members[3].is_learner = false; }, "marked as a learner");
  expect_broken(
      good, [](Tracker& t) { t.members.push_back({.id = NodeId{9}}); },
      "member 9 has progress, but");
  expect_broken(
      good, [](Tracker& t) { t.members.insert(t.members.begin(), t.members[0]); },
      "member 1 is out of order");
  expect_broken(
      Tracker(),
      [](Tracker& t) {
        t.members.push_back({.id = NodeId{1}, .is_learner = true});
        t.membership.learners.Insert(NodeId{1});
      },
      "no incoming voters");
  const Tracker joint = Enter(Group(3), {Learner(3)}).value();
  expect_broken(
      joint, [](Tracker& t) { t.membership.voters.incoming.voters().Insert(NodeId{3}); },
      "member 3 waits to become a learner, but is an incoming voter");
}

// The rules in as few words as possible: what every node is to be, and what the voters were.
struct Model {
  enum class Is : uint8_t { kVoter, kLearner };
  std::map<NodeId, Is> wanted;
  std::set<NodeId> outgoing;
  // When the leader's knowledge of a member began; it ends when nothing needs it any more.
  std::map<NodeId, LogIndex> known_since;

  std::set<NodeId> Wanted(Is what) const {
    std::set<NodeId> nodes;
    for (const auto& [id, is] : wanted) {
      if (is == what) nodes.insert(id);
    }
    return nodes;
  }
  void Apply(const std::vector<Change>& changes, LogIndex last) {
    for (const Change& change : changes) {
      if (change.node == kNoNode || change.kind == Change::Kind::kUpdate) continue;
      if (change.kind == Change::Kind::kRemove) {
        wanted.erase(change.node);
      } else {
        const bool voter = change.kind == Change::Kind::kAddVoter;
        wanted[change.node] = voter ? Is::kVoter : Is::kLearner;
        known_since.emplace(change.node, last);
      }
      Forget();
    }
  }
  void Forget() {
    std::erase_if(known_since, [this](const auto& known) {
      return !wanted.contains(known.first) && !outgoing.contains(known.first);
    });
  }
};

void ExpectSame(const Model& model, const Tracker& tracker) {
  const auto as_set = [](const NodeSet& nodes) {
    return std::set<NodeId>(nodes.begin(), nodes.end());
  };
  const Membership& who = tracker.membership;
  RC_ASSERT(as_set(who.voters.incoming.voters()) == model.Wanted(Model::Is::kVoter));
  RC_ASSERT(as_set(who.voters.outgoing.voters()) == model.outgoing);
  std::set<NodeId> learners;
  std::set<NodeId> waiting;
  for (const NodeId id : model.Wanted(Model::Is::kLearner)) {
    (model.outgoing.contains(id) ? waiting : learners).insert(id);
  }
  RC_ASSERT(as_set(who.learners) == learners);
  RC_ASSERT(as_set(who.learners_next) == waiting);
  std::map<NodeId, LogIndex> known;
  for (const MemberProgress& member : tracker.members) {
    known[member.id] = member.next;
    RC_ASSERT(member.is_learner == learners.contains(member.id));
  }
  RC_ASSERT(known == model.known_since);
  RC_ASSERT(CheckTracker(tracker).ok());
}

std::vector<Change> AnyChanges() {
  return *rc::gen::container<std::vector<Change>>(rc::gen::construct<Change>(
      rc::gen::element(Change::Kind::kAddVoter, Change::Kind::kAddLearner, Change::Kind::kRemove,
                       Change::Kind::kUpdate),
      rc::gen::map(rc::gen::inRange<uint64_t>(0, 6), [](uint64_t id) { return NodeId{id}; })));
}

// Any two majorities of the two memberships have a voter in common.
bool MajoritiesIntersect(const JointConfig& a, const JointConfig& b) {
  const auto quorum = [](const JointConfig& who, uint64_t nodes) {
    return who.Result([nodes](NodeId id) {
      return (nodes >> id.value()) % 2 == 1 ? Vote::kGranted : Vote::kRefused;
    }) == VoteResult::kWon;
  };
  constexpr uint64_t kSubsets = 64;
  for (uint64_t nodes = 0; nodes < kSubsets; ++nodes) {
    if (quorum(a, nodes) && quorum(b, kSubsets - 1 - nodes)) return false;
  }
  return true;
}

RC_GTEST_PROP(ConfChangeProperty, AnySequenceDoesWhatTheModelDoesAndIsSafeAtEveryStep, ()) {
  Tracker tracker;
  Model model;
  const size_t steps = *rc::gen::inRange<size_t>(1, 12);
  for (size_t step = 0; step < steps; ++step) {
    const LogIndex last{step + 1};
    const bool was_joint = tracker.membership.joint();
    const bool had_voters = !tracker.members.empty();
    const int kind = *rc::gen::inRange(0, 3);
    const std::vector<Change> changes = kind == 2 ? std::vector<Change>() : AnyChanges();
    const bool auto_leave = kind == 1 && *rc::gen::arbitrary<bool>();
    Model next = model;
    if (kind == 1) next.outgoing = model.Wanted(Model::Is::kVoter);
    if (kind == 2) next.outgoing.clear();
    next.Apply(changes, last);
    next.Forget();

    const absl::StatusOr<Tracker> result = kind == 0 ? ChangeSimply(tracker, last, changes)
                                           : kind == 1
                                               ? EnterJoint(tracker, last, auto_leave, changes)
                                               : LeaveJoint(tracker);
    const std::set<NodeId> before = model.Wanted(Model::Is::kVoter);
    const std::set<NodeId> after = next.Wanted(Model::Is::kVoter);
    std::vector<NodeId> changed;
    std::set_symmetric_difference(before.begin(), before.end(), after.begin(), after.end(),
                                  std::back_inserter(changed));
    const bool allowed = was_joint == (kind == 2) && !after.empty() &&
                         (kind != 0 || changed.size() <= 1) && (kind != 1 || had_voters);
    RC_ASSERT(result.ok() == allowed);
    if (!allowed) continue;
    if (had_voters) {
      RC_ASSERT(MajoritiesIntersect(tracker.membership.voters, result->membership.voters));
    }
    tracker = *result;
    model = next;
    ExpectSame(model, tracker);
    RC_ASSERT(tracker.membership.auto_leave == auto_leave);
  }
}

}  // namespace
}  // namespace tidemark::raft
