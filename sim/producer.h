#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "engine/balancer/producer_session.h"
#include "engine/node/request.h"
#include "sim/session_client.h"

namespace tidemark::sim {

// Sends idempotent batches to one partition through the production ProducerSession and enters
// everything into the ledger.
class Producer : public SessionClient<balancer::ProducerSession, balancer::ProducerAction> {
 public:
  Producer(World* world, uint32_t actor, const std::string& topic, PartitionId partition,
           GroupId group);

  void Start();
  // One batch, whether or not it has stopped.
  void SubmitMore();
  // Sends what it has accepted and no more.
  void Stop() { stopped_ = true; }
  bool drained() const { return session_.idle(); }
  size_t in_flight() const { return session_.in_flight(); }
  void OnNodeDown(size_t node) override;

 private:
  void Tick();
  void SubmitOne(Actions& out);
  void Perform(const balancer::ProducerAction& action) override;
  void Open(const balancer::OpenStream& open);
  void Send(const balancer::SendBatch& send);
  void OnAnswer(balancer::StreamId id, int32_t sequence, const Response& response);
  void Break(balancer::StreamId id, const StreamPtr& stream);

  std::map<uint64_t, uint64_t> batch_of_tag_;
  uint64_t next_tag_ = 1;
  bool stopped_ = false;
};

}  // namespace tidemark::sim
