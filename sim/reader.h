#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/client.h"

namespace tidemark::sim {

// Asks nodes, leaders and followers alike, for the end of a partition and for what is at an offset,
// linearizably or with a bounded staleness, one read after the other, and hands what it is told to
// the oracle (checkers/reads.h). It has no time limit of its own: a read that is never answered
// stops it, and that shows (ClusterFacts).
class Reader : public Client {
 public:
  Reader(World* world, uint32_t actor, const std::string& topic, PartitionId partition,
         GroupId group);

  void Start() { ReadLater(); }
  // From now on it is well once a linearizable read of its has been answered.
  void Stop() { stopped_ = true; }
  // What it waits for; empty: for nothing.
  std::string WaitsFor() const;
  uint32_t actor() const { return actor_; }

  void OnNodeDown(size_t node) override;

 private:
  enum class Kind : uint8_t { kEnd, kOffset, kBoundedEnd, kBoundedOffset, kBoundedTail, kCount };
  // The read under way.
  struct Pending {
    uint64_t number = 0;
    size_t node = 0;
    Kind kind = Kind::kEnd;
    FetchRequest fetch;
    Offset floor;
    Instant begun;  // at the node
    std::optional<RequestId> request;
  };

  bool linearizable() const { return pending_->fetch.consistency == Consistency::kLinearizable; }
  void ReadLater();
  // Where it reads next.
  size_t PickNode();
  void Read();
  void Serve(uint64_t number);
  void OnAnswer(uint64_t number, const Response& response);
  void OnFetched(const FetchResponse& found);
  void OnRefused(const RpcError& error);
  // The read at a node is over, and how is not known.
  void Lose();

  const PartitionId partition_;
  const GroupId group_;
  std::optional<Pending> pending_;
  uint64_t reads_ = 0;
  Offset seen_;  // the highest end it was told of
  bool stopped_ = false;
  bool well_ = false;
};

}  // namespace tidemark::sim
