#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "engine/balancer/fetch_session.h"
#include "engine/node/request.h"
#include "sim/session_client.h"

namespace tidemark::sim {

// Tails one partition from `start` through the production FetchSession.
class Consumer : public SessionClient<balancer::FetchSession, balancer::FetchAction> {
 public:
  Consumer(World* world, uint32_t actor, const std::string& topic, PartitionId partition,
           GroupId group, Offset start);

  void Start();
  // Called when retention has removed what it wants next, with the offset to begin anew at.
  std::function<void(Offset)> on_left_behind;
  Offset position() const { return session_.position(); }
  void OnNodeDown(size_t node) override;

 private:
  void Perform(const balancer::FetchAction& action) override;
  void Open(const balancer::OpenFetch& open);
  // The server's part: fetches from `from` on, for ever.
  void Serve(balancer::StreamId id, const StreamPtr& stream, Offset from);
  void ServeFound(balancer::StreamId id, const StreamPtr& stream, const FetchResponse& found);
  void OnData(balancer::StreamId id, const Bytes& frame, Offset high_watermark, bool compacted);
  void Close(balancer::StreamId id, const balancer::CallError& error);
  // The session ended with `status`: retention may be the reason, nothing else.
  void OnFailed(const absl::Status& status);

  balancer::CallError last_error_;
};

}  // namespace tidemark::sim
