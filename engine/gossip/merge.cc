#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/gossip/swim.h"

// Which news counts. About one member, a higher incarnation wins; within one incarnation bad news
// does (left over dead over suspect over alive): only the member itself can raise it. SWIM 4.2.

namespace tidemark::gossip {
namespace {

int Badness(MemberState state) {
  switch (state) {
    case MemberState::kAlive:
      return 0;
    case MemberState::kSuspect:
      return 1;
    case MemberState::kDead:
      return 2;
    case MemberState::kLeft:
      return 3;
  }
  return 0;
}

bool Gone(MemberState state) { return state == MemberState::kDead || state == MemberState::kLeft; }

}  // namespace

void Swim::Merge(Now now, const Member& news, Effects& out) {
  if (news.id == config_.id) {
    MergeSelf(news, out);
    return;
  }
  const auto found = members_.find(news.id);
  if (found == members_.end()) {
    // Whoever has just started takes over who is gone, so that old news does not introduce them as
    // alive. Later on they are no news: else nodes would for ever remind each other of them.
    if (Gone(news.state) && now.instant >= started_at_ + config_.push_pull_interval) return;
    if (members_.size() >= kGossipMembersMax && !MakeRoom()) return;
    Known& known = members_[news.id];
    known.member.state = MemberState::kLeft;  // so that becoming alive is a change
    known.changed = now.instant;
    Accept(now, known, news, out);
    return;
  }
  Known& known = found->second;
  const Member& old = known.member;
  if (news.incarnation < old.incarnation) return;
  if (news.incarnation == old.incarnation && Badness(news.state) <= Badness(old.state)) return;
  const bool moved = news.endpoint != old.endpoint || news.name != old.name;
  if (moved && !Gone(old.state)) {
    // Two nodes with one id, or a node that moved before its failure was noticed. The one that is
    // there keeps its place until it is seen to fail. Rumours about the other are not about it.
    NoteConflict(absl::StrCat("node id ", news.id.value(), " is ", old.endpoint.ToString(),
                              " (incarnation ", old.incarnation, "), and ",
                              news.endpoint.ToString(), " (incarnation ", news.incarnation, ")"),
                 out);
    return;
  }
  Accept(now, known, news, out);
}

void Swim::MergeSelf(const Member& news, Effects& out) {
  Member& self = members_.at(config_.id).member;
  if (news.incarnation < self.incarnation) {
    // Outbid already, and whoever says so has not heard of it.
    if (news.state != MemberState::kAlive) Announce(config_.id);
    return;
  }
  if (news.endpoint != self.endpoint && !Gone(news.state)) {
    // Not outbid: two nodes that outbid each other would never stop.
    NoteConflict(
        absl::StrCat("this node's id ", config_.id.value(), " (incarnation ", self.incarnation,
                     ") and ", news.endpoint.ToString(), " (incarnation ", news.incarnation, ")"),
        out);
    return;
  }
  // What this node says now, or said in this life.
  if (news == self) return;
  // Rumours of our death, or of an earlier life: outbid them.
  self.incarnation = news.incarnation + 1;
  ++revision_;
  ++counters_.refutations;
  Announce(config_.id);
}

bool Swim::MakeRoom() {
  auto oldest = members_.end();
  for (auto at = members_.begin(); at != members_.end(); ++at) {
    if (at->first == config_.id || !Gone(at->second.member.state)) continue;
    if (oldest == members_.end() || at->second.changed < oldest->second.changed) oldest = at;
  }
  if (oldest == members_.end()) return false;
  news_.erase(oldest->first);
  members_.erase(oldest);
  ++revision_;
  return true;
}

void Swim::NoteConflict(std::string_view text, Effects& out) {
  ++counters_.conflicts;
  // Powers of two: both claimants go on claiming, and the log must not fill.
  if ((counters_.conflicts & (counters_.conflicts - 1)) != 0) return;
  out.notes.push_back(absl::StrCat("conflict: ", std::string(text),
                                   " claims it too; give each node its own id (",
                                   counters_.conflicts, " so far)"));
}

void Swim::Accept(Now now, Known& known, const Member& news, Effects& out) {
  const MemberState before = known.member.state;
  const bool was_alone = alone();
  const bool same_place = known.member.endpoint == news.endpoint;
  const bool same_tags = known.member.tags == news.tags;
  known.member = news;
  ++revision_;
  Announce(news.id);
  if (before != news.state) known.changed = now.instant;
  known.suspect_until = Instant::Never();
  if (news.state == MemberState::kSuspect) {
    known.suspect_until = now.instant + config_.probe_interval * (config_.suspicion_multiplier *
                                                                  Scale() * (1 + health_));
  }
  using Kind = MemberChange::Kind;
  if (news.state == MemberState::kAlive) {
    if (was_alone) join_at_ = Instant::Never();
    if (Gone(before)) {
      out.changes.push_back({Kind::kJoined, news});
    } else if (before == MemberState::kSuspect || !same_place || !same_tags) {
      out.changes.push_back({Kind::kUpdated, news});
    }
  } else if (news.state == MemberState::kSuspect) {
    if (Gone(before)) out.changes.push_back({Kind::kJoined, news});
    out.changes.push_back({Kind::kSuspect, news});
  } else if (!Gone(before)) {
    out.changes.push_back({news.state == MemberState::kDead ? Kind::kFailed : Kind::kLeft, news});
  }
}

}  // namespace tidemark::gossip
