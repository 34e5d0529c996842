#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/gossip/swim.h"

// Failure detection: ping one member an interval; if it does not answer, ask others to ping it; if
// nobody gets an answer, suspect it. SWIM section 3.1, Lifeguard section 4.

namespace tidemark::gossip {
namespace {

constexpr int64_t kHealthMax = 8;

}  // namespace

void Swim::StartProbe(Now now, Effects& out) {
  // A node that misses answers itself looks less often, and waits longer for them.
  probe_at_ = now.instant + config_.probe_interval * (1 + health_);
  if (leaving_ || probe_.has_value()) return;
  // Round robin in random order: every member is probed within two rounds.
  while (true) {
    if (probe_order_.empty()) {
      probe_order_ = Others(/*alive_only=*/true);
      for (size_t i = probe_order_.size(); i > 1; --i) {
        std::swap(probe_order_[i - 1], probe_order_[prng_.Below(i)]);
      }
      if (probe_order_.empty()) return;
    }
    const NodeId target = probe_order_.back();
    probe_order_.pop_back();
    const Member* member = Find(target);
    if (member == nullptr || member->state == MemberState::kDead ||
        member->state == MemberState::kLeft) {
      continue;
    }
    ++counters_.probes;
    probe_ = Probe{.target = target,
                   .sequence = ++sequence_,
                   .indirect = false,
                   .next = now.instant + config_.probe_timeout * (1 + health_),
                   .end = probe_at_};
    Packet ping = Make(PacketType::kPing);
    ping.sequence = probe_->sequence;
    ping.target = target;
    // A suspect hears of it with the ping, and can object in the answer.
    if (member->state == MemberState::kSuspect) Announce(target);
    Send(member->endpoint, std::move(ping), out);
    return;
  }
}

void Swim::ContinueProbe(Now now, Effects& out) {
  const auto target = members_.find(probe_->target);
  if (target == members_.end()) {
    probe_.reset();
    return;
  }
  if (!probe_->indirect) {
    probe_->indirect = true;
    probe_->next = probe_->end;
    std::vector<NodeId> helpers = Others(/*alive_only=*/true);
    std::erase(helpers, probe_->target);
    for (size_t i = 0; i < config_.indirect_probes && !helpers.empty(); ++i) {
      const size_t pick = prng_.Below(helpers.size());
      Packet request = Make(PacketType::kPingRequest);
      request.sequence = probe_->sequence;
      request.target = probe_->target;
      request.endpoint = target->second.member.endpoint;
      Send(members_.at(helpers[pick]).member.endpoint, std::move(request), out);
      helpers.erase(helpers.begin() + static_cast<ptrdiff_t>(pick));
    }
    return;
  }
  ++counters_.probes_failed;
  health_ = std::min(kHealthMax, health_ + 1);
  probe_.reset();
  if (target->second.member.state != MemberState::kAlive) return;
  Member news = target->second.member;
  news.state = MemberState::kSuspect;
  Merge(now, news, out);
}

void Swim::OnAck(Now now, uint64_t sequence, Effects& out) {
  (void)now;
  if (probe_.has_value() && probe_->sequence == sequence) {
    probe_.reset();
    health_ = std::max<int64_t>(0, health_ - 1);
    return;
  }
  const auto relay = relays_.find(sequence);
  if (relay == relays_.end()) return;
  Packet ack = Make(PacketType::kAck);
  ack.sequence = relay->second.asker_sequence;
  Send(relay->second.asker, std::move(ack), out);
  relays_.erase(relay);
}

void Swim::ExpireSuspects(Now now, Effects& out) {
  std::vector<Member> dead;
  for (auto at = members_.begin(); at != members_.end();) {
    Known& known = at->second;
    const MemberState state = known.member.state;
    if (state == MemberState::kSuspect && now.instant >= known.suspect_until) {
      Member news = known.member;
      news.state = MemberState::kDead;
      dead.push_back(std::move(news));
    }
    const bool gone = state == MemberState::kDead || state == MemberState::kLeft;
    if (gone && at->first != config_.id && now.instant >= known.changed + config_.reclaim_after) {
      news_.erase(at->first);
      at = members_.erase(at);
      ++revision_;
    } else {
      ++at;
    }
  }
  for (const Member& news : dead) Merge(now, news, out);
}

}  // namespace tidemark::gossip
