#include <gtest/gtest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "engine/base/limits.h"
#include "tests/engine/raft/member.h"

// A peer with a valid certificate that says anything at all: nothing it sends may end the process,
// take back a promise, or make this member say what is not so. Invariants are checked by every
// step.

namespace tidemark::raft {
namespace {

class Forger {
 public:
  Forger(uint64_t seed, Member& member) : prng_(seed), member_(member) {}

  // Numbers that are nearly right are the dangerous ones.
  uint64_t Number(uint64_t near) {
    switch (prng_.Below(8)) {
      case 0:
        return prng_.Next();
      case 1:
        return prng_.Chance(1, 2) ? UINT64_MAX : UINT64_MAX - 1;
      case 2:
        return 0;
      case 3:
        return near > 0 ? near - 1 : 0;
      case 4:
        return near + 1;
      default:
        return near;
    }
  }

  LogIndex Index() {
    const Raft& raft = member_.raft();
    const uint64_t last = member_.log().last_index().value();
    return LogIndex{
        Number(prng_.Chance(1, 2) ? last : prng_.Below(last + 1 + raft.commit().value()))};
  }

  Term NearTerm() {
    // Mostly the present one, or terms would run away and everything else be stale.
    const uint64_t term = member_.raft().term().value();
    if (prng_.Chance(1, 2000)) return Term{kTermMax};
    if (prng_.Chance(1, 50)) return Term{Number(term)};
    return Term{term + (prng_.Chance(1, 10) ? 1 : 0)};
  }

  EntryList Entries(LogIndex prev, Term prev_term) {
    EntryList entries;
    if (prev.value() > 1'000'000) return entries;
    uint64_t offset = prev.value();
    uint64_t term = prev_term.value();
    for (uint64_t i = 1 + prev.value(), end = i + prng_.Below(4); i < end; ++i) {
      Entry entry{.index = LogIndex{prng_.Chance(1, 30) ? Number(i) : i},
                  .term = Term{prng_.Chance(1, 20) ? Number(term) : term},
                  .base_offset = Offset{prng_.Chance(1, 30) ? Number(offset) : offset},
                  .offset_span = 1,
                  .frame = Bytes::Static("x")};
      if (prng_.Chance(1, 4) && term < member_.raft().term().value()) ++term;
      ++offset;
      entries.push_back(std::move(entry));
    }
    return entries;
  }

  void Step() {
    const NodeId from{prng_.Chance(1, 20) ? Number(2) : prng_.Between(2, 4)};
    const uint64_t term = NearTerm().value();
    switch (prng_.Below(18)) {
      case 0:
        member_.Receive(from, term,
                        VoteRequest{.pre_vote = prng_.Chance(1, 2),
                                    .last_index = Index(),
                                    .last_term = NearTerm(),
                                    .leadership_transfer = prng_.Chance(1, 4)});
        return;
      case 1:
      case 2:
        member_.Receive(from, term + (prng_.Chance(1, 3) ? 1 : 0),
                        VoteReply{.pre_vote = prng_.Chance(1, 2), .granted = prng_.Chance(3, 4)});
        return;
      case 3:
      case 4:
      case 5: {
        const LogIndex prev = Index();
        const Term prev_term =
            prng_.Chance(3, 4) ? member_.log().TermAt(prev).value_or(Term{1}) : NearTerm();
        member_.Receive(from, term,
                        AppendRequest{.prev_index = prev,
                                      .prev_term = prev_term,
                                      .commit = Index(),
                                      .entries = Entries(prev, prev_term),
                                      .sequence = Number(5)});
        return;
      }
      case 6:
      case 7:
        member_.Receive(from, term,
                        AppendReply{.success = prng_.Chance(1, 2),
                                    .match = Index(),
                                    .hint_term = NearTerm(),
                                    .refused = Index(),
                                    .sequence = Number(3),
                                    .no_room = prng_.Chance(1, 8)});
        return;
      case 8:
        member_.Receive(from, term, TimeoutNow{});
        return;
      case 12:
        member_.Receive(from, term,
                        Heartbeat{.commit = Index(),
                                  .context = Number(1),
                                  .all_durable = Index(),
                                  .sent = Instant::FromNanos(static_cast<int64_t>(Number(7))),
                                  .priority = static_cast<uint32_t>(Number(1))});
        return;
      case 13:
        member_.Receive(from, term,
                        HeartbeatReply{.context = Number(1),
                                       .sent = Instant::FromNanos(static_cast<int64_t>(Number(7))),
                                       .no_room = prng_.Chance(1, 8),
                                       .unverified = prng_.Chance(1, 2),
                                       .installing = Index()});
        return;
      case 14: {
        const Effects effects = member_.Receive(
            from, term,
            InstallSnapshot{
                .meta = {.index = Index(),
                         .term = NearTerm(),
                         .membership = {.voters = {.incoming = MajorityConfig({kOne, kTwo, kThree}),
                                                   .outgoing = {}}}},
                .sequence = Number(3)});
        Effects none;
        if (effects.install && prng_.Chance(3, 4)) {
          member_.raft().OnSnapshotFailed(member_.now(), *effects.install, none);
        }
        return;
      }
      case 15:
        member_.Receive(from, term, ReadIndexRequest{.id = ReadId{Number(1)}});
        return;
      case 16:
        member_.Receive(from, term, ReadIndexReply{.id = ReadId{Number(1)}, .index = Index()});
        if (prng_.Chance(1, 4)) member_.Read(Number(9));
        return;
      case 9:
        member_.Persist();
        return;
      case 10:
        if (member_.raft().accepts_proposals()) member_.Propose("p");
        return;
      default:
        member_.Advance(Duration::Millis(static_cast<int64_t>(prng_.Below(60))));
        return;
    }
  }

 private:
  Prng prng_;
  Member& member_;
};

TEST(Hostile, NothingAPeerSaysEndsTheProcess) {
  uint64_t staged = 0;
  uint64_t led = 0;
  uint64_t ignored = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    Config config = TestConfig();
    config.pre_vote = seed % 2 == 0;
    // The no-op takes no offset, so the arithmetic of forged offsets holds without it only.
    config.noop_at_election = seed % 3 == 0;
    Member member({.config = config});
    member.Persist();
    Forger forger(seed, member);
    for (int i = 0; i < 1000; ++i) {
      forger.Step();
      led += member.raft().role() == Role::kLeader ? 1 : 0;
    }
    staged += member.log().changes();
    ignored += member.raft().counters().messages_ignored;
  }
  // What never got past the door proves nothing.
  EXPECT_GT(staged, 1000u);
  EXPECT_GT(led, 1000u);
  EXPECT_GT(ignored, 1000u);
}

}  // namespace
}  // namespace tidemark::raft
