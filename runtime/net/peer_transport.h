#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/endpoint.h"
#include "engine/base/ids.h"
#include "engine/base/prng.h"
#include "runtime/base/log.h"
#include "runtime/net/byte_stream.h"
#include "runtime/net/event_loop.h"
#include "runtime/net/peer_frame.h"
#include "runtime/net/peer_hello.h"
#include "runtime/net/resolver.h"

namespace tidemark::net {

// Frames between nodes. This node sends on connections it dialled, one per endpoint, and receives
// on those it accepted. Best effort: what does not fit the queue, or is under way when a connection
// breaks, is lost (raft and gossip repeat themselves).
//   Opening  the dialling side says hello; the accepting side checks it against the cluster and the
//            certificate, then says hello or refuses in words; the dialling side checks that hello
//            the same way. Only then do frames flow. All of it has one deadline.
//   Bounds   queue_bytes_max to each endpoint; kEndpointsMax endpoints; kStrangersMax accepted
//            connections that have not said who they are (one more closes the oldest);
//            kConnectionsPerNodeMax from one node (the newest stay).
//   Threads  the loop's thread only.
class PeerTransport {
 public:
  struct Options {
    PeerHello self;
    std::shared_ptr<TlsContext> server_tls;  // null: without TLS
    std::shared_ptr<TlsContext> client_tls;
    // From dialling or accepting to the last hello; TLS included.
    Duration handshake_timeout = Duration::Seconds(5);
    // Not yet sent to one peer; a frame that would exceed it is dropped. At least one always fits.
    size_t queue_bytes_max = 64u << 20;
    // Kept for a peer that is not connected. What does not fit pushes out everything older: to one
    // who was away old news is worth little.
    size_t away_bytes_max = 1u << 20;
    // Wait before dialling again: doubles from min to max, half of it random.
    Duration redial_min = Duration::Millis(50);
    Duration redial_max = Duration::Millis(1000);
  };
  struct Callbacks {
    // From a peer that proved to be `from`. Must not destroy the transport.
    std::function<void(NodeId from, FrameType type, Bytes payload)> on_frame;
    // The connection this node dialled to `peer` may be used, or broke.
    std::function<void(const Endpoint& peer, bool up)> on_link;
    // A peer was turned away, by this node or by the other: what the log says about it. May be
    // null.
    std::function<void(const std::string& peer, const absl::Status& why)> on_refused;
  };
  struct Counters {
    uint64_t frames_sent = 0;
    uint64_t frames_received = 0;
    uint64_t frames_dropped = 0;
    uint64_t dials = 0;
    uint64_t refused = 0;
  };

  static constexpr size_t kEndpointsMax = 1024;
  static constexpr size_t kStrangersMax = 256;
  static constexpr size_t kConnectionsPerNodeMax = 4;

  PeerTransport(EventLoop* loop, Options options, Callbacks callbacks);
  ~PeerTransport();
  PeerTransport(const PeerTransport&) = delete;
  PeerTransport& operator=(const PeerTransport&) = delete;

  // Queues a frame; dials if there is no connection. A frame to this node's own address is dropped.
  void Send(const Endpoint& to, FrameType type, const std::vector<Bytes>& parts);
  // Sends what was queued since the last call: once per step, so that frames share TLS records.
  void Flush();
  // A connection the mux recognised as a peer's, with the bytes read from it.
  void Accept(UniqueFd fd, std::string received);
  // Certificates for connections that begin from now on.
  void SetTls(std::shared_ptr<TlsContext> server, std::shared_ptr<TlsContext> client);
  const Counters& counters() const { return counters_; }
  // Accepted connections, strangers included.
  size_t incoming_count() const { return incoming_.size(); }

 private:
  enum class LinkState : uint8_t { kIdle, kWaiting, kResolving, kDialling, kReady };
  struct Outgoing {
    LinkState state = LinkState::kIdle;
    std::unique_ptr<ByteStream> stream;  // while kDialling and kReady
    EventLoop::TimerId hello_timer;
    std::string away;     // frames for when it is ready
    bool dirty = false;   // written since the last Flush
    bool failed = false;  // since it was last ready: the log has been told
    Duration redial;      // next wait
  };
  struct Incoming {
    std::unique_ptr<ByteStream> stream;
    NodeId from;
    EventLoop::TimerId hello_timer;
    bool refused = false;  // only waits for the refusal to be sent
  };

  Outgoing* Find(const Endpoint& to);
  Outgoing* FindOrAdd(const Endpoint& to);
  void Dial(const Endpoint& to);
  void Connect(const Endpoint& to, const absl::StatusOr<Endpoint>& address);
  void SayHello(const Endpoint& to);
  size_t OutgoingData(const Endpoint& to, std::string_view data);
  absl::Status CheckAnswer(const Outgoing& peer, const PeerFrame& frame) const;
  void LinkReady(const Endpoint& to, Outgoing& peer);
  void LinkBroken(const Endpoint& to, const absl::Status& why);

  Incoming* Find(uint64_t id);
  size_t IncomingData(uint64_t id, std::string_view data);
  absl::Status TakeFrame(uint64_t id, const PeerFrame& frame);
  absl::Status TakeHello(uint64_t id, const PeerFrame& frame);
  void RefuseIncoming(uint64_t id, const absl::Status& why);
  void CloseIncoming(uint64_t id);
  void MakeRoomForStranger();
  void LimitConnectionsOf(NodeId node);

  void Report(const std::string& peer, const absl::Status& why);
  void DropLater(std::unique_ptr<ByteStream> stream);
  void PostIfAlive(std::function<void()> function);

  EventLoop* const loop_;
  Options options_;
  const Callbacks callbacks_;
  Prng prng_;
  Resolver resolver_;
  std::map<Endpoint, Outgoing> outgoing_;
  std::map<uint64_t, Incoming> incoming_;  // by age
  uint64_t next_incoming_ = 1;
  Counters counters_;
  LogRateLimit refusal_log_{Duration::Seconds(5)};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tidemark::net
