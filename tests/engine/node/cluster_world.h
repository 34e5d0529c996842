#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/node/node.h"
#include "engine/node/recovered_group.h"
#include "tests/engine/node/node_world.h"

// Several nodes in one process, with disks and a network that do everything at once and in order:
// for tests of what nodes do together. Faults are a node that is down; the simulator has the rest.

namespace tidemark {

class ClusterWorld {
 public:
  struct Slot {
    NodeOptions options;
    MapDisk disk;
    std::unique_ptr<Node> node;  // null: down
    std::set<NodeId> reachable;  // whose address the node has told
    std::map<RequestId, Response> answers;
    std::vector<Note> notes;
  };

  // Founders 1..n, all up.
  explicit ClusterWorld(uint64_t founders) {
    std::vector<NodeId> voters;
    for (uint64_t id = 1; id <= founders; ++id) voters.push_back(NodeId(id));
    for (const NodeId id : voters) Start(id, voters);
  }

  // A node with an empty disk.
  void Start(NodeId id, std::vector<NodeId> voters) {
    Slot& slot = slots_[id];
    slot.options.id = id;
    slot.options.cluster_id = "test";
    slot.options.advertise = AddressOf(id);
    slot.options.voters = std::move(voters);
    slot.options.seeds = {AddressOf(NodeId(1))};
    slot.options.acl_allow_all = true;
    slot.options.log.segment_bytes = 64 << 10;
    slot.options.gossip_speed = 10;
    Boot(id);
  }
  void Join(NodeId id) { Start(id, {}); }

  void Boot(NodeId id) {
    Slot& slot = slots_.at(id);
    absl::StatusOr<Node> node = Node::Recover(slot.options, slot.disk, now_, Prng(id.value()));
    ASSERT_TRUE(node.ok()) << node.status();
    slot.node = std::make_unique<Node>(*std::move(node));
    slot.reachable.clear();
    Effects fx;
    slot.node->Start(now_, fx);
    Absorb(id, std::move(fx));
    Deliver();
  }
  // What was under way is lost.
  void Crash(NodeId id) {
    slots_.at(id).node.reset();
    std::erase_if(queue_, [&](const auto& each) { return each.first == id; });
    held_flushes_.erase(id);
  }

  void Run(Duration duration) {
    (void)RunUntil([] { return false; }, duration);
  }
  bool RunUntil(const std::function<bool()>& reached, Duration at_most = Duration::Seconds(60)) {
    const Instant end = now_.instant + at_most;
    while (!reached()) {
      NodeId next;
      Instant when = end;
      for (const auto& [id, slot] : slots_) {
        if (slot.node == nullptr || slot.node->next_deadline() > when) continue;
        when = slot.node->next_deadline();
        next = id;
      }
      if (next == kNoNode) break;
      if (when > now_.instant) {
        now_.wall = WallTime::FromMillis(now_.wall.millis() + (when - now_.instant).millis());
        now_.instant = when;
      }
      Step(next, {});
      Deliver();
    }
    return reached();
  }

  RequestId Ask(NodeId id, Request request) {
    const RequestId name(++last_request_);
    std::vector<Event> events;
    events.push_back(RequestReceived{name, "tester", std::move(request)});
    Step(id, std::move(events));
    Deliver();
    return name;
  }
  // Asks `id`, follows the catalog's leader, and tries again what may succeed later.
  Response AskLeader(const Request& request) {
    Response last = RpcError{.reason = "NO ANSWER"};
    for (int attempt = 0; attempt < 40; ++attempt) {
      const NodeId leader = Leader(kCatalogGroup);
      if (leader != kNoNode) {
        const RequestId name = Ask(leader, request);
        const auto& answers = slots_.at(leader).answers;
        RunUntil([&] { return answers.contains(name); }, Duration::Seconds(5));
        const auto found = answers.find(name);
        last = found == answers.end() ? RpcError{.reason = "NO ANSWER"} : found->second;
        const auto* error = std::get_if<RpcError>(&last);
        if (error == nullptr || (error->reason != "NO_LEADER" && error->reason != "NOT_LEADER" &&
                                 error->reason != "CHANGE_PENDING")) {
          return last;
        }
      }
      Run(Duration::Millis(200));
    }
    return last;
  }
  template <typename T>
  ::testing::AssertionResult Succeeds(const Request& request) {
    const Response response = AskLeader(request);
    if (std::holds_alternative<T>(response)) return ::testing::AssertionSuccess();
    const auto* error = std::get_if<RpcError>(&response);
    return ::testing::AssertionFailure()
           << (error == nullptr ? "another kind of answer" : error->reason + ": " + error->message);
  }
  std::string ReasonOf(const Request& request) {
    const Response response = AskLeader(request);
    const auto* error = std::get_if<RpcError>(&response);
    return error == nullptr ? "no error" : error->reason;
  }

  void Tell(NodeId id, Event event) {
    std::vector<Event> events;
    events.push_back(std::move(event));
    Step(id, std::move(events));
    Deliver();
  }

  const GroupView* GroupAt(NodeId id, GroupId group) {
    const auto slot = slots_.find(id);
    if (slot == slots_.end() || slot->second.node == nullptr) return nullptr;
    views_ = slot->second.node->Groups();
    for (const GroupView& view : views_) {
      if (view.group == group) return &view;
    }
    return nullptr;
  }
  // Whoever leads `group` and may serve.
  NodeId Leader(GroupId group) {
    for (const auto& [id, slot] : slots_) {
      const GroupView* view = GroupAt(id, group);
      if (view != nullptr && view->raft->serving()) return id;
    }
    return kNoNode;
  }
  std::vector<NodeId> VotersAt(NodeId id, GroupId group) {
    const GroupView* view = GroupAt(id, group);
    if (view == nullptr || view->raft->membership().joint()) return {};
    const raft::NodeSet& voters = view->raft->membership().voters.incoming.voters();
    return {voters.begin(), voters.end()};
  }
  bool Noted(NodeId id, const std::string& event) const {
    for (const Note& note : slots_.at(id).notes) {
      if (note.event == event) return true;
    }
    return false;
  }
  bool HasFiles(NodeId id, GroupId group) const { return !slots_.at(id).disk.List(group).empty(); }

  // Messages from the first to the second vanish.
  std::set<std::pair<NodeId, NodeId>> cut_;
  // Flushes of these do not end; once they may, all that were begun do.
  std::set<NodeId> hung_;
  void EndHang(NodeId id) {
    hung_.erase(id);
    for (const IoToken token : std::exchange(held_flushes_[id], {})) {
      queue_.emplace_back(id, IoDone{token, absl::OkStatus()});
    }
    Deliver();
  }
  uint64_t messages_sent_ = 0;  // between nodes, gossip not counted

  std::map<NodeId, Slot> slots_;
  Now now_{Instant::FromNanos(1), WallTime::FromMillis(1'700'000'000'000)};

 private:
  static Endpoint AddressOf(NodeId id) {
    return *Endpoint::Parse("127.0.0.1:" + std::to_string(1000 + id.value()));
  }
  std::optional<NodeId> NodeAt(const Endpoint& endpoint) const {
    for (const auto& [id, slot] : slots_) {
      if (slot.options.advertise == endpoint) return id;
    }
    return std::nullopt;
  }

  void Step(NodeId id, std::vector<Event> events) {
    Effects fx;
    slots_.at(id).node->Step(now_, events, fx);
    Absorb(id, std::move(fx));
  }
  void Deliver() {
    while (!queue_.empty()) {
      auto [to, event] = std::move(queue_.front());
      queue_.pop_front();
      if (slots_.at(to).node == nullptr) continue;
      std::vector<Event> events;
      events.push_back(std::move(event));
      Step(to, std::move(events));
    }
  }
  void Absorb(NodeId id, Effects fx) {
    Slot& slot = slots_.at(id);
    for (Effect& effect : fx) {
      if (auto* flush = std::get_if<Flush>(&effect)) {
        slot.disk.Execute(flush->batch);
        if (hung_.contains(id)) {
          held_flushes_[id].push_back(flush->token);
        } else {
          queue_.emplace_back(id, IoDone{flush->token, absl::OkStatus()});
        }
      } else if (const auto* read = std::get_if<ReadRange>(&effect)) {
        queue_.emplace_back(
            id, ReadDone{read->token, slot.disk.ReadFull(read->file, read->pos, read->length)});
      } else if (const auto* reopen = std::get_if<ReopenGroup>(&effect)) {
        queue_.emplace_back(
            id, GroupReopened{reopen->token, RecoverGroupAgain(reopen->group, slot.options.log,
                                                               slot.disk, reopen->committed)});
      } else if (auto* send = std::get_if<SendPeer>(&effect)) {
        ++messages_sent_;
        if (slots_.contains(send->to) && slot.reachable.contains(send->to) &&
            !cut_.contains({id, send->to})) {
          queue_.emplace_back(send->to, PeerReceived{id, std::move(send->message)});
        }
      } else if (const auto* address = std::get_if<SetPeerAddress>(&effect)) {
        slot.reachable.insert(address->node);
      } else if (auto* datagram = std::get_if<SendDatagram>(&effect)) {
        if (const std::optional<NodeId> to = NodeAt(datagram->to)) {
          queue_.emplace_back(*to, DatagramReceived{slot.options.advertise, datagram->bytes});
        }
      } else if (auto* stream = std::get_if<SendGossipStream>(&effect)) {
        if (const std::optional<NodeId> to = NodeAt(stream->to)) {
          queue_.emplace_back(*to, GossipStreamReceived{stream->bytes});
        }
      } else if (auto* reply = std::get_if<Reply>(&effect)) {
        slot.answers.emplace(reply->id, std::move(reply->response));
      } else if (auto* note = std::get_if<Note>(&effect)) {
        slot.notes.push_back(std::move(*note));
      }
    }
  }

  std::map<NodeId, std::vector<IoToken>> held_flushes_;
  std::deque<std::pair<NodeId, Event>> queue_;
  std::vector<GroupView> views_;
  uint64_t last_request_ = 0;
};

}  // namespace tidemark
