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
    // The dead of others are no news to who never met them, but must not be met later by mistake.
    if (members_.size() >= 2 * kNodesMax) return;
    Known& known = members_[news.id];
    known.member.state = MemberState::kLeft;  // so that becoming alive is a change
    Accept(now, known, news, out);
    return;
  }
  Known& known = found->second;
  const Member& old = known.member;
  if (news.incarnation < old.incarnation) return;
  if (news.incarnation == old.incarnation && Badness(news.state) <= Badness(old.state)) return;
  const bool moved = news.endpoint != old.endpoint || news.name != old.name;
  if (moved && old.state == MemberState::kAlive && news.state == MemberState::kAlive) {
    // Two nodes with one id, or a node that moved before its failure was noticed. The one that is
    // there keeps its place until it is seen to fail.
    out.notes.push_back(absl::StrCat("conflict: node id ", news.id.value(), " is ",
                                     old.endpoint.ToString(), ", and ", news.endpoint.ToString(),
                                     " claims it too; give each node its own id"));
    return;
  }
  Accept(now, known, news, out);
}

void Swim::MergeSelf(const Member& news, Effects& out) {
  Member& self = members_.at(config_.id).member;
  if (news.incarnation < self.incarnation) return;
  if (news.endpoint != self.endpoint && news.state == MemberState::kAlive) {
    out.notes.push_back(absl::StrCat("conflict: ", news.endpoint.ToString(),
                                     " claims this node's id ", config_.id.value(),
                                     "; give each node its own id"));
  }
  const bool same = news.incarnation == self.incarnation && news.state == self.state;
  if (same) return;
  // Rumours of our death, or of an earlier life: outbid them.
  self.incarnation = news.incarnation + 1;
  ++counters_.refutations;
  Announce(config_.id);
}

void Swim::Accept(Now now, Known& known, const Member& news, Effects& out) {
  const MemberState before = known.member.state;
  const bool same_place = known.member.endpoint == news.endpoint;
  const bool same_tags = known.member.tags == news.tags;
  known.member = news;
  Announce(news.id);
  if (before != news.state) known.changed = now.instant;
  known.suspect_until = Instant::Never();
  if (news.state == MemberState::kSuspect) {
    known.suspect_until = now.instant + config_.probe_interval * (config_.suspicion_multiplier *
                                                                  Scale() * (1 + health_));
  }
  using Kind = MemberChange::Kind;
  if (news.state == MemberState::kAlive) {
    join_at_ = Instant::Never();
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
