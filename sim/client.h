#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/balancer/picker.h"
#include "engine/balancer/retry.h"
#include "engine/balancer/view.h"
#include "engine/node/request.h"
#include "sim/world.h"

namespace tidemark::sim {

// What every simulated client has: the production view of the cluster and picker, and calls over a
// network that takes time. Clients never look into nodes.
class Client {
 public:
  // `actor`: small and distinct among clients. `principal`: who its certificate says it is.
  Client(World* world, uint32_t actor, std::string topic, std::string principal = kTrusted);
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
  struct Way {
    Instant sent;     // when the last thing was sent this way
    Instant arrives;  // when it does or did
  };
  struct Stream {
    size_t node = 0;
    uint32_t incarnation = 0;
    bool broken = false;
    // The client has cancelled it; what the server had answered by then may still be on its way.
    bool cancelled = false;
    Way up;
    Way down;
    RequestId waiting;  // a fetch parked at the server
  };
  using StreamPtr = std::shared_ptr<Stream>;

  Instant now() const { return world_->now(); }
  Timeline& timeline() { return world_->story().timeline(); }
  Duration Latency();
  // When something sent this way now arrives.
  Instant Arrival(Way& way);
  // Runs `function` at the server / at the client unless the stream is gone by then; either way
  // that is the end of `mark`.
  void Up(const StreamPtr& stream, std::function<void()> function, MarkId mark = 0);
  void Down(const StreamPtr& stream, std::function<void()> function, MarkId mark = 0);
  // Asks any server for GetServers and DescribeTopic, unless that is under way already.
  void RefreshView();

  World* world_;
  uint32_t actor_;
  std::string topic_;
  std::string principal_;
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

}  // namespace tidemark::sim
