#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/endpoint.h"
#include "engine/base/ids.h"
#include "runtime/base/log.h"
#include "runtime/net/byte_stream.h"
#include "runtime/net/event_loop.h"
#include "runtime/net/peer_frame.h"
#include "runtime/net/peer_hello.h"

namespace tidemark::net {

// Frames between nodes. This node sends on connections it dialled, one per endpoint, and receives on
// those it accepted; each side says hello first and is checked against its certificate. Best effort:
// what does not fit the queue, or is under way when a connection breaks, is lost (raft and gossip
// repeat themselves). Loop thread only.
class PeerTransport {
 public:
  struct Options {
    PeerHello self;
    std::shared_ptr<TlsContext> server_tls;  // null: without TLS
    std::shared_ptr<TlsContext> client_tls;
    Duration handshake_timeout = Duration::Seconds(5);
    // Not yet sent to one peer; beyond it new frames are dropped.
    size_t queue_bytes_max = 64u << 20;
    Duration redial_min = Duration::Millis(50);
    Duration redial_max = Duration::Millis(1000);
  };
  struct Callbacks {
    // From a peer that proved to be `from`.
    std::function<void(NodeId from, FrameType type, Bytes payload)> on_frame;
    // The connection this node dialled to `peer` may be used, or broke.
    std::function<void(const Endpoint& peer, bool up)> on_link;
  };
  struct Counters {
    uint64_t frames_sent = 0;
    uint64_t frames_received = 0;
    uint64_t frames_dropped = 0;
    uint64_t dials = 0;
    uint64_t refused = 0;
  };

  PeerTransport(EventLoop* loop, Options options, Callbacks callbacks);
  ~PeerTransport();

  // Queues a frame; dials if there is no connection.
  void Send(const Endpoint& to, FrameType type, const std::vector<Bytes>& parts);
  // Sends what was queued since the last call: once per step, so that frames share TLS records.
  void Flush();
  // A connection the mux recognised as a peer's.
  void Accept(UniqueFd fd, std::string received);
  // Certificates for connections that begin from now on.
  void SetTls(std::shared_ptr<TlsContext> server, std::shared_ptr<TlsContext> client);
  const Counters& counters() const { return counters_; }

 private:
  struct Outgoing {
    Endpoint to;
    std::unique_ptr<ByteStream> stream;
    bool ready = false;       // the other side's hello was right
    bool dirty = false;       // written since the last Flush
    std::string waiting;      // frames for when it is ready
    Duration redial;          // next wait
    bool redial_armed = false;
  };
  struct Incoming {
    std::unique_ptr<ByteStream> stream;
    NodeId from;
  };

  void Dial(Outgoing& peer);
  void Connected(const Endpoint& to);
  size_t OutgoingData(const Endpoint& to, std::string_view data);
  void OutgoingClosed(const Endpoint& to, const absl::Status& why);
  size_t IncomingData(uint64_t id, std::string_view data);
  void Refused(const std::string& peer, const absl::Status& why);
  void DropLater(std::unique_ptr<ByteStream> stream);
  std::string HelloFrame() const;

  EventLoop* loop_;
  Options options_;
  Callbacks callbacks_;
  std::map<Endpoint, std::unique_ptr<Outgoing>> outgoing_;
  std::map<uint64_t, Incoming> incoming_;
  uint64_t next_incoming_ = 1;
  Counters counters_;
  LogRateLimit log_limit_{Duration::Seconds(5)};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tidemark::net
