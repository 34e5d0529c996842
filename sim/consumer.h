#pragma once

#include <cstdint>
#include <string>

#include "engine/balancer/fetch_session.h"
#include "engine/node/request.h"
#include "sim/session_client.h"

namespace tidemark::sim {

// Tails one partition from its start through the production FetchSession.
class Consumer : public SessionClient<balancer::FetchSession, balancer::FetchAction> {
 public:
  Consumer(World* world, uint32_t actor, const std::string& topic, PartitionId partition,
           GroupId group);

  void Start();
  Offset position() const { return session_.position(); }
  void OnNodeDown(size_t node) override;

 private:
  void Perform(const balancer::FetchAction& action) override;
  void Open(const balancer::OpenFetch& open);
  // The server's part: fetches from `from` on, for ever.
  void Serve(balancer::StreamId id, const StreamPtr& stream, Offset from);
  void ServeFound(balancer::StreamId id, const StreamPtr& stream, const FetchResponse& found);
  void OnData(balancer::StreamId id, const Bytes& frame, Offset high_watermark);
  void Close(balancer::StreamId id, const balancer::CallError& error);
};

}  // namespace tidemark::sim
