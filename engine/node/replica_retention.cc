#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/node/replica.h"

// What of a log retention lets go. The order that a crash cannot hurt: the decision is made durable
// (the hard state's start), then the log forgets the entries, then their files go. FORMAT.md
// section 4.

namespace tidemark {

namespace {

RetentionPolicy ForLaggards(RetentionPolicy policy) {
  if (policy.bytes.has_value()) policy.bytes = *policy.bytes * 2;
  if (policy.age.has_value()) policy.age = *policy.age * 2;
  return policy;
}

}  // namespace

bool Replica::has_retention() const {
  return options_.retention.bytes.has_value() || options_.retention.age.has_value();
}

void Replica::DecideRetention(Now now, Effects& out) {
  const bool by_time = now.instant >= retention_.deadline;
  if (!by_time && !segment_begun_) return;
  segment_begun_ = false;
  const LogIndex here = std::min(raft_.commit(), log_->durable_index());
  const LogIndex limit = std::min(here, std::max(all_durable_, raft_.all_durable()));
  kept_from_ = std::max(kept_from_, log_->RetentionPoint(options_.retention, now.wall, limit));
  // What a replica lacks is kept twice as long: then it gets a snapshot. But for one that is
  // getting one.
  const LogIndex pinned = shipping_.pin.From(now.instant).value_or(here + 1);
  // Something to make it of stays. Of what is behind the last full segment a leader knows after a
  // restart only with a majority that it is committed, and that may need the snapshot.
  const LogIndex unpinned = std::min({here, pinned - 1, log_->LastShippable() - 1});
  kept_from_ = std::max(kept_from_,
                        log_->RetentionPoint(ForLaggards(options_.retention), now.wall, unpinned));
  // What is there for laggards alone, and damaged everywhere, is of no use to them: they get what
  // is behind.
  if (const LogIndex lost_end = repair_.lost_end();
      lost_end > LogIndex(0) &&
      lost_end <= log_->RetentionPoint(options_.retention, now.wall,
                                       std::min(here, log_->LastShippable() - 1))) {
    kept_from_ = std::max(kept_from_, lost_end);
  }
  if (!by_time) return;
  retention_.deadline = now.instant + options_.retention_interval;
  NoteHeldBack(log_->RetentionPoint(options_.retention, now.wall, here), out);
}

void Replica::NoteHeldBack(LogIndex wanted, Effects& out) {
  const bool leads = raft_.role() == raft::Role::kLeader;
  const LogIndex before = std::exchange(retention_.wanted_from, leads ? wanted : LogIndex());
  // A voter that has had a whole interval is more than a little late.
  if (!leads || before <= raft_.all_durable() + 1) {
    retention_.held_back_by = kNoNode;
    return;
  }
  NodeId slowest;
  for (const NodeId voter : raft::MembersOf(raft_.membership())) {
    if (voter == raft_.self()) continue;
    if (slowest == kNoNode || raft_.MatchOf(voter) < raft_.MatchOf(slowest)) slowest = voter;
  }
  if (slowest == std::exchange(retention_.held_back_by, slowest)) return;
  out.push_back(Note{Note::Level::kWarning,
                     "retention_held_back",
                     {{"group", absl::StrCat(options_.group.value())},
                      {"voter", absl::StrCat(slowest.value())},
                      {"durable_there", absl::StrCat(raft_.MatchOf(slowest).value())},
                      {"wanted_from", absl::StrCat(wanted.value())},
                      {"hint",
                       "what a replica still lacks is kept until there is twice what the topic "
                       "keeps; bring that node back, or it will need a snapshot"}}});
}

}  // namespace tidemark
