#include "sim/checkers/gossip_views.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tidemark::sim {
namespace {

using gossip::Member;
using gossip::MemberState;

std::string_view NameOf(MemberState state) {
  switch (state) {
    case MemberState::kAlive:
      return "alive";
    case MemberState::kSuspect:
      return "suspect";
    case MemberState::kDead:
      return "dead";
    case MemberState::kLeft:
      break;
  }
  return "left";
}

std::string Text(NodeId id, MemberState state, uint64_t incarnation) {
  return absl::StrCat("node ", id.value(), " ", std::string(NameOf(state)), " in incarnation ",
                      incarnation);
}

}  // namespace

void GossipViews::OnView(NodeId node, const std::vector<Member>& members) {
  // Itself first: others can only have heard of what it was before.
  for (const Member& member : members) {
    if (member.id == node) OnSelf(member);
  }
  for (const Member& member : members) {
    if (member.id != node) OnOther(node, member);
  }
}

void GossipViews::OnSelf(const Member& self) {
  uint64_t& highest = highest_[self.id];
  highest = std::max(highest, self.incarnation);
  if (self.state == MemberState::kAlive || self.state == MemberState::kLeft) return;
  verdict_->Fail("gossip", absl::StrCat("node ", self.id.value(), " believes itself to be ",
                                        std::string(NameOf(self.state)), " and runs all the same"));
}

void GossipViews::OnOther(NodeId node, const Member& member) {
  const auto highest = highest_.find(member.id);
  if (highest == highest_.end() || member.incarnation > highest->second) {
    verdict_->Fail("gossip", absl::StrCat("node ", node.value(), " believes ",
                                          Text(member.id, member.state, member.incarnation),
                                          ", which that node never had"));
    return;
  }
  const auto [at, fresh] = beliefs_.try_emplace({node, member.id});
  Belief& belief = at->second;
  if (!fresh) {
    const bool back = member.incarnation < belief.incarnation ||
                      (member.incarnation == belief.incarnation && member.state < belief.state);
    if (back) {
      verdict_->Fail(
          "gossip",
          absl::StrCat("node ", node.value(), " believed ",
                       Text(member.id, belief.state, belief.incarnation), " and now believes ",
                       Text(member.id, member.state, member.incarnation), ", which is older news"));
      return;
    }
    if (belief.state == member.state && belief.incarnation == member.incarnation) return;
    if (member.state == MemberState::kDead) coverage_->Hit(Probe::kMemberFailed);
    if (member.state == MemberState::kAlive && belief.state != MemberState::kAlive) {
      coverage_->Hit(Probe::kMemberBack);
    }
  }
  belief = {member.incarnation, member.state};
}

void GossipViews::OnRestart(NodeId node) {
  std::erase_if(beliefs_, [&](const auto& entry) { return entry.first.first == node; });
}

}  // namespace tidemark::sim
