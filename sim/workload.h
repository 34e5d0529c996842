#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/consumer.h"
#include "sim/intruder.h"
#include "sim/producer.h"
#include "sim/reader.h"
#include "sim/world.h"

namespace tidemark::sim {

// The topic that is produced to.
inline constexpr char kTopic[] = "orders";

// An operator's program: creates and deletes topics, follows what exists.
class Admin : public Client {
 public:
  Admin(World* world, uint32_t actor);

  // Repeats until it is answered for good; then `done`, with the topic as created or found.
  void CreateTopic(CreateTopicRequest create, std::function<void(TopicInfo)> done);
  void DeleteTopic(std::string name, std::function<void()> done);
  // Repeats until the move has begun.
  void MovePartition(MovePartitionRequest move, std::function<void()> done);
  // Once, of node `at`, or of whoever is next to be asked; what comes of it `done` hears.
  void TryTransfer(TransferLeadershipRequest transfer, std::optional<size_t> at, Callback done);
  // Asks one server after the other until `accept` says that the answer will do.
  void Insist(Request request, std::function<bool(const Response&)> accept);
  // Asks a catalog leader again and again which groups exist and where.
  void WatchPlacement();
  const std::map<GroupId, std::vector<NodeId>>& placement() const { return placement_; }
  // Whether a partition was last seen on its way.
  bool moving() const { return moving_; }

  void OnNodeDown(size_t) override {}

 private:
  // The same, waiting up to `wait_max` before it asks again.
  void Insist(Request request, std::function<bool(const Response&)> accept, Duration wait_max);

  std::map<GroupId, std::vector<NodeId>> placement_;
  bool moving_ = false;
};

// Everything clients do in a run: one topic with producers and consumers on it, and, in some
// scenarios, topics that come and go.
class Workload {
 public:
  explicit Workload(World* world);

  void Start();
  // Each producer has one more batch to get through.
  void AskForMore();
  // Producers finish what they have accepted; no more topics are created.
  void Stop();
  // Adds the clients, and where groups must be, to `facts`.
  void AddTo(ClusterFacts& facts) const;
  bool running() const { return !producers_.empty(); }

 private:
  void Begin(const TopicInfo& topic);
  // The `i`-th consumer begins at `from`: for the first time, or because retention left it behind.
  void Consume(size_t i, Offset from);
  void Churn(uint64_t round);
  // Gives each partition of the topic a replica on every node.
  void Move();
  void HandAround();

  World* world_;
  Admin admin_;
  Admin churner_;
  Admin watcher_;
  Admin mover_;
  std::optional<Intruder> intruder_;
  std::vector<std::unique_ptr<Producer>> producers_;
  TopicInfo topic_;
  std::vector<std::unique_ptr<Consumer>> consumers_;
  // Left behind; what is still on its way to them finds them.
  std::vector<std::unique_ptr<Consumer>> retired_;
  std::vector<std::unique_ptr<Reader>> readers_;
  bool stopped_ = false;
  bool churning_ = false;
  uint32_t moves_to_begin_ = 0;
};

}  // namespace tidemark::sim
