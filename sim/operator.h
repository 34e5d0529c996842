#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/ids.h"
#include "sim/workload.h"
#include "sim/world.h"

namespace tidemark::sim {

// An operator who changes who belongs to the cluster, under load and faults, with the requests that
// `tidemark cluster` and `tidemark topic move` send, one action at a time: nodes join with an empty
// disk or come back with their own, leave or are removed, die and are replaced; replicas and
// leadership move. Whatever is refused is asked for again until it is done.
//
// The budget of faults is what the protocol promises to survive: a majority of every group comes
// back. So a node dies for good only where each group has three replicas, and the next action
// waits for the end of its replacement; and there are never fewer members than a topic wants
// replicas.
class Operator {
 public:
  // Does nothing in a scenario without newcomers.
  explicit Operator(World* world);

  void Start();
  // Finishes what it is at and begins nothing more.
  void Stop();
  // Adds what it waits for, and who must have the catalog, to `facts`.
  void AddTo(ClusterFacts& facts) const;

 private:
  using Then = std::function<void()>;
  using Nodes = std::vector<size_t>;  // ascending

  bool on() const;
  Place At(Site site) const;
  uint64_t Pick(Site site, uint64_t bound);
  size_t PickOf(Site site, const Nodes& nodes);
  // After a while the next action.
  void Tick();
  void Act();
  void Begin(std::string what);
  void End();
  void Tell(const std::string& what);

  // The actions.
  void Join();
  void Leave(bool graceful);
  void Replace();
  void Move();
  void Transfer();

  // Their steps; each repeats until it has succeeded.
  void Ask(Request request, std::function<bool(const Response&)> accept);
  void Add(size_t node, Then then);
  // Until the leader says that those who vote are the members.
  void AwaitVoters(Then then);
  // Moves everything that is at `node` elsewhere, then removes it.
  void Remove(size_t node, Then then);
  void Drain(size_t node, Then then);
  void MoveTo(const std::string& topic, PartitionId partition, std::vector<NodeId> replicas,
              Then then);
  void Arrive(size_t node);

  NodeId id(size_t node) const { return world_->id(node); }
  std::vector<NodeId> MemberIds() const;
  // Machines that are not there.
  Nodes Absent() const;
  bool CanShrink() const;

  World* world_;
  std::optional<Admin> admin_;
  Nodes members_;
  std::vector<bool> lived_;  // by node: it was a member once
  uint32_t ordinal_ = 0;
  bool stopped_ = false;
  std::string at_;  // what it is at
  size_t departing_ = 0;
  bool settled_ = false;  // after it was stopped all members have been seen to vote
};

}  // namespace tidemark::sim
