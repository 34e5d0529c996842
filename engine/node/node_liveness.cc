#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/node/node_impl.h"

// What the groups of two nodes share: one message for all heartbeats of a step, and the exchange
// that quiet groups rest on (liveness.h); and the disk that all groups of this node share.

namespace tidemark {

void Node::Impl::OnBeats(Now now, NodeId from, const BeatMessage& message, Effects& out) {
  const Liveness::News news = liveness.OnMessage(now.instant, from, message);
  if (news.new_session) WakeGroupsOf(now, from, out);
  for (const Release& release : news.released) {
    const auto at = replicas.find(release.group);
    if (at == replicas.end()) continue;
    const raft::Raft& raft = at->second->raft();
    if (raft.leader() != from || raft.term() > release.term) continue;
    WakeGroup(now, *at->second, out);
  }
  for (const Beat& beat : message.beats) {
    const auto at = replicas.find(beat.group);
    if (at == replicas.end()) continue;
    agenda.Touch(beat.group);
    raft::Message each{.from = from, .to = options.id, .term = beat.term, .body = {}};
    std::visit([&](const auto& body) { each.body = body; }, beat.body);
    at->second->OnMessage(now, each, out);
  }
}

void Node::Impl::WakeGroup(Now now, Replica& replica, Effects& out) {
  if (!replica.raft().quiet()) return;
  replica.Wake(now, [this](NodeId node) { return liveness.Heard(node); }, out);
  agenda.Touch(replica.group());
}

void Node::Impl::WakeGroupsOf(Now now, NodeId node, Effects& out) {
  for (const auto& [group, replica] : replicas) {
    const raft::Raft& raft = replica->raft();
    if (!raft.quiet()) continue;
    const bool rests = raft.role() == raft::Role::kLeader
                           ? raft::MembersOf(raft.membership()).Contains(node)
                           : raft.leader() == node;
    if (rests) WakeGroup(now, *replica, out);
  }
}

void Node::Impl::WatchNodes(Now now, Effects& out) {
  if (now.instant < liveness.next_deadline()) return;
  for (const NodeId node : liveness.TakeSilent(now.instant)) WakeGroupsOf(now, node, out);
}

void Node::Impl::Tie(Now now, GroupId group, const Replica* replica, bool members_changed) {
  const Liveness::Tie* before = liveness.Find(group);
  std::optional<Liveness::Tie> tie;
  if (replica != nullptr && replica->failure().empty() && !replica->removing() &&
      !replica->switching()) {
    const raft::Raft& raft = replica->raft();
    const bool leads = raft.vouches();
    const bool sleeps = raft.quiet() && raft.role() != raft::Role::kLeader;
    if (!leads && !sleeps && before == nullptr) return;
    if (before != nullptr && before->term == raft.term() && !members_changed &&
        ((leads && before->leads) ||
         (sleeps && !before->leads && before->nodes.front() == raft.leader()))) {
      return;
    }
    if (leads || sleeps) tie = Liveness::Tie{.term = raft.term(), .leads = leads, .nodes = {}};
    if (leads) {
      raft::NodeSet others = raft::MembersOf(raft.membership());
      others.Erase(options.id);
      tie->nodes.assign(others.begin(), others.end());
    } else if (sleeps) {
      tie->nodes.push_back(raft.leader());
    }
  }
  if (tie.has_value() || before != nullptr) liveness.Set(now.instant, group, std::move(tie));
}

void Node::Impl::SendBeats(Now now, Effects& out) {
  for (const NodeId node : liveness.Due(now.instant)) shared.beats[node];
  for (auto& [to, beats] : std::exchange(shared.beats, {})) {
    size_t sent = 0;
    do {
      BeatMessage message = liveness.Begin(to);
      const size_t count = std::min(kBeatsMax, beats.size() - sent);
      message.beats.assign(beats.begin() + static_cast<ptrdiff_t>(sent),
                           beats.begin() + static_cast<ptrdiff_t>(sent + count));
      sent += count;
      ++shared.counters.peer_messages_out;
      out.push_back(SendPeer{
          to,
          {.group = kCatalogGroup,
           .message = {.from = options.id, .to = to, .term = {}, .body = raft::TimeoutNow{}},
           .beats = std::make_shared<const BeatMessage>(std::move(message))}});
    } while (sent < beats.size());
  }
}

void Node::Impl::JudgeDisk(Now now, Effects& out) {
  GroupId slowest;
  for (const GroupId group : agenda.Touched()) {
    const auto at = replicas.find(group);
    if (at != replicas.end() && at->second->CheckStall(now)) {
      stalled_groups.insert(group);
      slowest = group;
    } else if (!stalled_groups.empty()) {
      stalled_groups.erase(group);
    }
  }
  const bool stalled = !stalled_groups.empty();
  if (stalled == shared.disk_stalled) return;
  shared.disk_stalled = stalled;
  if (stalled) {
    ++shared.counters.disk_stalls;
    out.push_back(
        Note{Note::Level::kError,
             "disk_stalled",
             {{"group", absl::StrCat(slowest.value())},
              {"after_ms", absl::StrCat(options.disk_stall_timeout.millis())},
              {"meaning",
               "a write has not ended; this node leads nothing and does not vote until it has"}}});
  } else {
    out.push_back(Note{Note::Level::kInfo, "disk_stall_over", {}});
  }
  for (const auto& [group, replica] : replicas) replica->OnDiskStall(now, out);
  TouchAll();
}

}  // namespace tidemark
