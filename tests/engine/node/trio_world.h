#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/node/node.h"
#include "engine/node/recovered_group.h"
#include "tests/engine/node/node_world.h"

// Three nodes, each with a disk that does everything at once, and a network that delivers all of
// it: for what takes more than one node and no faults but those that a test makes. The simulator is
// for the others.

namespace tidemark {

class TrioWorld {
 public:
  struct Member {
    NodeOptions options;
    MapDisk disk;
    std::unique_ptr<Node> node;
    std::map<RequestId, Response> answers;
    std::vector<Note> notes;
    uint32_t boots = 0;
    // What it writes is never done.
    bool disk_hangs = false;
    // Which writes fail, although all of them comes to the disk.
    std::function<bool(const FileBatch&)> sync_fails;
  };

  TrioWorld() {
    for (size_t i = 0; i < members_.size(); ++i) {
      NodeOptions& options = members_[i].options;
      options.id = NodeId(i + 1);
      options.cluster_id = "test";
      options.advertise = {.host = "127.0.0.1", .port = static_cast<uint16_t>(1001 + i)};
      options.voters = {NodeId(1), NodeId(2), NodeId(3)};
      options.acl_allow_all = true;
      options.log.cache_bytes = 20'000;
    }
  }

  void Boot(size_t i) {
    Member& member = members_.at(i);
    auto node = Node::Recover(member.options, member.disk, now_, Prng(100 * ++member.boots + i));
    TIDEMARK_CHECK(node.ok());
    member.node = std::make_unique<Node>(*std::move(node));
    Effects effects;
    member.node->Start(now_, effects);
    Execute(i, std::move(effects));
    for (size_t other = 0; other < members_.size(); ++other) {
      if (other == i || members_[other].node == nullptr) continue;
      Tell(other, PeerLink{member.options.id, true});
      Tell(i, PeerLink{members_[other].options.id, true});
    }
    Deliver();
  }
  void BootAll() {
    for (size_t i = 0; i < members_.size(); ++i) Boot(i);
  }
  void Kill(size_t i) { members_.at(i).node.reset(); }
  // Nothing goes to or from it any more; nobody is told.
  void Cut(size_t i) { cut_.insert(i); }
  void Heal() { cut_.clear(); }
  Instant now() const { return now_.instant; }

  void TellSpace(size_t i, uint64_t free_bytes) {
    Tell(i, DiskSpace{.free_bytes = free_bytes, .total_bytes = 1ull << 40});
    Deliver();
  }

  // As if member `from` had sent it.
  void Hear(size_t i, size_t from, GroupId group, SnapshotMessage message) {
    PeerMessage envelope{.group = group, .message = {}};
    envelope.message.from = NodeId(from + 1);
    envelope.message.to = NodeId(i + 1);
    envelope.snapshot = std::make_shared<const SnapshotMessage>(std::move(message));
    Tell(i, PeerReceived{NodeId(from + 1), std::move(envelope)});
    Deliver();
  }
  void TellDamage(size_t i, const FileId& file) {
    Tell(i, DamageFound{file});
    Deliver();
  }

  // Runs timers for `duration`.
  void Advance(Duration duration) {
    const Instant end = now_.instant + duration;
    for (;;) {
      Instant next = Instant::Never();
      for (const Member& member : members_) {
        if (member.node != nullptr) next = std::min(next, member.node->next_deadline());
      }
      if (next > end) break;
      MoveTo(std::max(now_.instant, next));
      for (size_t i = 0; i < members_.size(); ++i) {
        if (members_[i].node == nullptr || members_[i].node->next_deadline() > now_.instant)
          continue;
        Effects effects;
        members_[i].node->Step(now_, {}, effects);
        Execute(i, std::move(effects));
      }
      Deliver();
    }
    MoveTo(end);
  }
  // False: not within a minute.
  template <typename Condition>
  bool AdvanceUntil(Condition condition) {
    for (int i = 0; i < 6000; ++i) {
      if (condition()) return true;
      Advance(Duration::Millis(10));
    }
    return condition();
  }

  RequestId Ask(size_t i, Request request) {
    const RequestId id(++last_request_);
    Tell(i, RequestReceived{id, "tester", std::move(request)});
    Deliver();
    return id;
  }
  // One that comes with the next step: several of them come together.
  void AskWithOthers(size_t i, Request request) {
    Tell(i, RequestReceived{RequestId(++last_request_), "tester", std::move(request)});
  }
  void Cancel(size_t i, RequestId id) {
    Tell(i, RequestCancelled{id});
    Deliver();
  }
  // The member that leads `group`; nullopt if none serves.
  std::optional<size_t> LeaderOf(GroupId group) const {
    for (size_t i = 0; i < members_.size(); ++i) {
      const std::optional<GroupView> view = GroupAt(i, group);
      if (view.has_value() && view->raft->serving()) return i;
    }
    return std::nullopt;
  }
  std::optional<GroupView> GroupAt(size_t i, GroupId group) const {
    if (members_.at(i).node == nullptr) return std::nullopt;
    for (const GroupView& view : members_[i].node->Groups()) {
      if (view.group == group) return view;
    }
    return std::nullopt;
  }
  Member& at(size_t i) { return members_.at(i); }

 private:
  struct Told {
    size_t to;
    uint32_t boot;
    Event event;
  };

  void MoveTo(Instant instant) {
    const Duration passed = instant - now_.instant;
    now_.instant = instant;
    now_.wall = WallTime::FromMillis(now_.wall.millis() + passed.millis());
  }

  void Tell(size_t i, Event event) {
    if (members_[i].node != nullptr) told_.push_back({i, members_[i].boots, std::move(event)});
  }

  void Deliver() {
    while (!told_.empty()) {
      Told told = std::move(told_.front());
      told_.pop_front();
      Member& member = members_[told.to];
      if (member.node == nullptr || member.boots != told.boot) continue;
      std::vector<Event> events;
      events.push_back(std::move(told.event));
      Effects effects;
      member.node->Step(now_, events, effects);
      Execute(told.to, std::move(effects));
    }
  }

  void Execute(size_t i, Effects effects) {
    Member& member = members_[i];
    for (Effect& effect : effects) {
      if (auto* flush = std::get_if<Flush>(&effect)) {
        if (member.disk_hangs) continue;
        member.disk.Execute(flush->batch);
        const bool fails = member.sync_fails && member.sync_fails(flush->batch);
        Tell(i, IoDone{flush->token,
                       fails ? absl::UnavailableError("sync failed") : absl::OkStatus()});
      } else if (const auto* read = std::get_if<ReadRange>(&effect)) {
        Tell(i, ReadDone{read->token, member.disk.ReadFull(read->file, read->pos, read->length)});
      } else if (const auto* reopen = std::get_if<ReopenGroup>(&effect)) {
        Tell(i, GroupReopened{reopen->token, RecoverGroupAgain(reopen->group, member.options.log,
                                                               member.disk, reopen->committed)});
      } else if (auto* send = std::get_if<SendPeer>(&effect)) {
        const size_t to = send->to.value() - 1;
        if (cut_.contains(i) || cut_.contains(to)) continue;
        Tell(to, PeerReceived{member.options.id, std::move(send->message)});
      } else if (auto* reply = std::get_if<Reply>(&effect)) {
        member.answers.emplace(reply->id, std::move(reply->response));
      } else if (auto* note = std::get_if<Note>(&effect)) {
        member.notes.push_back(std::move(*note));
      }
    }
  }

  std::array<Member, 3> members_;
  std::set<size_t> cut_;
  std::deque<Told> told_;
  Now now_{Instant::FromNanos(1), WallTime::FromMillis(1'700'000'000'000)};
  uint64_t last_request_ = 0;
};

}  // namespace tidemark
