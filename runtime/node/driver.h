#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/endpoint.h"
#include "engine/node/node.h"
#include "runtime/io/file_store.h"
#include "runtime/net/event_loop.h"
#include "runtime/node/metrics.h"
#include "runtime/node/recorder.h"
#include "runtime/rpc/gateway.h"

namespace tidemark {

// Runs one Node in the real world: gathers what happens on any thread into steps on the loop's
// thread and carries out what the node wants done. It decides nothing. While the loop sleeps, the
// thread that brings something takes its place (EventLoop::Bring): steps run on gRPC's threads and
// on the store's, too, unless what they bring is large.
//
// Events that arrive while a step runs are told in the next one together, so that load makes steps
// larger, not more numerous.
class Driver : public EngineGateway {
 public:
  // What the driver cannot do by itself. Called on the loop's thread.
  class Ports {
   public:
    virtual ~Ports() = default;
    // Queues; FlushPeers follows.
    virtual void SendRaft(const Endpoint& to, std::vector<Bytes> parts) = 0;
    virtual void FlushPeers() = 0;
    virtual void SendGossipStream(const Endpoint& to, Bytes bytes) = 0;
    virtual void SendDatagram(const Endpoint& to, Bytes bytes) = 0;
    // The node knows a catalog leader, or does not any more.
    virtual void OnHealth(bool healthy) = 0;
    // The node has finished its part of a shutdown.
    virtual void OnShutdownComplete() = 0;
  };

  // `loop`, `store`, `metrics`, `ports` and `recorder` outlive the driver. `recorder`, unless null,
  // is told every step.
  Driver(Node node, net::EventLoop* loop, FileStore* store, Metrics* metrics, Ports* ports,
         Recorder* recorder);
  ~Driver() override;

  // Loop thread. Begins; after this events may be told.
  void Start();

  // Any thread, without a lock that a `done` takes; the step may run before these return.
  RequestId Submit(std::string principal, Request request,
                   std::function<void(ResolvedResponse)> done) override;
  void Cancel(RequestId id) override;
  void Tell(Event event);

  // Loop thread. A raft frame from an authenticated peer; malformed ones are counted and dropped.
  void OnRaftFrame(NodeId from, Bytes frame);
  // Loop thread. Links are known by address.
  void OnPeerLink(const Endpoint& peer, bool up);
  // Loop thread. Turns every remaining request away; no `done` runs after this.
  void Stop();

  // Loop thread.
  Metrics::Snapshot Snapshot();
  bool healthy() const { return healthy_.load(std::memory_order_relaxed); }
  // The node's disk came back empty, and it was not let in again yet.
  bool lost_disk() const { return lost_disk_.load(std::memory_order_relaxed); }

 private:
  using Done = std::function<void(ResolvedResponse)>;
  struct Told {
    Event event;
    RequestId id;
    Done done;                                        // for RequestReceived
    std::unique_ptr<journal::ReopenRecord> reopened;  // for GroupReopened, if there is a recorder
  };

  // `bring`: the step may run on this thread.
  void Enqueue(Told told, bool bring = true);
  void RunStep();
  void Execute(Effects effects);
  void ExecuteReplies(Effects& effects);
  void ExecuteFlush(Flush flush);
  void ExecuteReopen(ReopenGroup reopen);
  void ExecuteReply(Reply reply);
  void ReadForConsumer(Done done, FetchResponse response);
  void ReportDiskSpace();
  void ArmTimer();

  Node node_;
  net::EventLoop* const loop_;
  FileStore* const store_;
  Metrics* const metrics_;
  Ports* const ports_;
  Recorder* const recorder_;

  std::mutex mutex_;
  std::vector<Told> told_;
  bool step_posted_ = false;
  bool stopped_ = false;  // guarded by mutex_

  std::atomic<uint64_t> last_request_{0};
  std::atomic<bool> healthy_{false};
  std::atomic<bool> lost_disk_{false};
  // Loop thread only, from here.
  std::unordered_map<RequestId, Done> waiting_;
  std::map<NodeId, Endpoint> peers_;
  uint64_t disk_free_bytes_ = 0;
  uint64_t malformed_frames_ = 0;
};

}  // namespace tidemark
