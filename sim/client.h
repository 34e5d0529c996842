#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/balancer/fetch_session.h"
#include "engine/balancer/picker.h"
#include "engine/balancer/producer_session.h"
#include "engine/balancer/view.h"
#include "engine/node/request.h"
#include "sim/world.h"

namespace tidemark::sim {

// What every simulated client has: the production view of the cluster and picker, and calls over a
// network that takes time. Clients never look into nodes.
class Client {
 public:
  // `actor`: small and distinct among clients.
  Client(World* world, uint32_t actor, std::string topic);
  virtual ~Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // The node went down: its connections break.
  virtual void OnNodeDown(size_t node) = 0;

  using Callback = std::function<void(Response)>;
  // One unary call; a node that is down, or does not answer in time, gives kUnavailable.
  void Call(const balancer::Target& target, Request request, Callback done);

 protected:
  // A stream to one node. Both ways are first in, first out; what is under way when it breaks is
  // lost or, towards the server, may still arrive.
  struct Stream {
    size_t node = 0;
    uint32_t incarnation = 0;
    bool broken = false;
    Instant last_up;
    Instant last_down;
    RequestId waiting;  // a fetch parked at the server
  };
  using StreamPtr = std::shared_ptr<Stream>;

  Instant now() const { return world_->now(); }
  Duration Latency();
  // Runs `function` at the server / at the client unless the stream is gone by then.
  void Up(const StreamPtr& stream, std::function<void()> function);
  void Down(const StreamPtr& stream, std::function<void()> function);
  // Asks any server for GetServers and DescribeTopic, unless that is under way already.
  void RefreshView();

  World* world_;
  uint32_t actor_;
  std::string topic_;
  balancer::ClusterView view_;
  balancer::Picker picker_;

 private:
  void Complete(uint64_t call, Response response);

  bool refreshing_ = false;
  uint64_t next_call_ = 1;
  std::map<uint64_t, Callback> calls_;
};

// The client's form of an RpcError.
balancer::CallError CallErrorOf(const RpcError& error);

// Sends idempotent batches to one partition through the production ProducerSession and enters
// everything into the ledger.
class Producer : public Client {
 public:
  Producer(World* world, uint32_t actor, std::string topic, PartitionId partition, GroupId group);

  void Start();
  // Sends what it has accepted and no more.
  void Stop() { stopped_ = true; }
  bool drained() const { return session_.idle(); }
  size_t in_flight() const { return session_.in_flight(); }
  void OnNodeDown(size_t node) override;

 private:
  void Tick();
  void SubmitOne(balancer::ProducerActions& actions);
  void Perform(balancer::ProducerActions actions);
  void Open(const balancer::OpenStream& open);
  void Send(const balancer::SendBatch& send);
  void OnAnswer(balancer::StreamId id, int32_t sequence, const Response& response);
  void Break(balancer::StreamId id, const StreamPtr& stream);
  void ArmTimer();

  PartitionId partition_;
  GroupId group_;
  balancer::ProducerSession session_;
  std::map<balancer::StreamId, StreamPtr> streams_;
  std::map<uint64_t, uint64_t> batch_of_tag_;
  uint64_t next_tag_ = 1;
  bool stopped_ = false;
  Instant timer_ = Instant::Never();
};

// Tails one partition from its start through the production FetchSession.
class Consumer : public Client {
 public:
  Consumer(World* world, uint32_t actor, std::string topic, PartitionId partition, GroupId group);

  void Start();
  GroupId group() const { return group_; }
  uint32_t actor() const { return actor_; }
  Offset position() const { return session_.position(); }
  void OnNodeDown(size_t node) override;

 private:
  void Perform(balancer::FetchActions actions);
  void Open(const balancer::OpenFetch& open);
  // The server's part: fetches from `from` on, for ever.
  void Serve(balancer::StreamId id, const StreamPtr& stream, Offset from);
  void ServeFound(balancer::StreamId id, const StreamPtr& stream, const FetchResponse& found);
  void OnData(balancer::StreamId id, const Bytes& frame, Offset high_watermark);
  void Close(balancer::StreamId id, const balancer::CallError& error);
  void ArmTimer();

  PartitionId partition_;
  GroupId group_;
  balancer::FetchSession session_;
  std::map<balancer::StreamId, StreamPtr> streams_;
  Instant timer_ = Instant::Never();
};

}  // namespace tidemark::sim
