#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "engine/base/time.h"
#include "runtime/base/log.h"
#include "runtime/base/unique_fd.h"
#include "runtime/net/event_loop.h"

namespace tidemark::net {

// Sorts the connections of the one port by their first bytes.
//   with TLS     a ClientHello that offers tidemark/1 goes to the peer transport, one that offers
//                h2 and not http/1.1 to gRPC, anything else to HTTPS; plain HTTP is told to use
//                TLS.
//   without TLS  the HTTP/2 preface goes to gRPC, a peer's hello to the peer transport, an HTTP
//                request line to HTTP.
// A connection that has not shown what it is within the deadline is closed. The bytes read are
// handed over with the descriptor. Loop thread only.
class Mux {
 public:
  struct Options {
    bool tls = true;
    Duration sniff_timeout = Duration::Seconds(5);
    // Being sniffed at one time; one more closes the oldest.
    size_t connections_max = 4096;
  };
  // Each takes over the descriptor.
  struct Sinks {
    std::function<void(UniqueFd, std::string received)> grpc;
    std::function<void(UniqueFd, std::string received)> peer;
    std::function<void(UniqueFd, std::string received)> http;
  };

  // `tcp` listens and stays the mux's.
  Mux(EventLoop* loop, UniqueFd tcp, Options options, Sinks sinks);
  ~Mux();

  absl::Status Start();
  // Stops accepting and closes what is not sorted yet.
  void Stop();
  uint64_t accepted() const { return accepted_; }
  int listener_fd() const { return tcp_.get(); }

 private:
  struct Sniff {
    UniqueFd fd;
    std::string peer;
    std::string received;
    EventLoop::WatchId watch = 0;
    EventLoop::TimerId timer;
  };
  enum class Kind { kNeedMore, kGrpc, kPeer, kHttp, kPlainOnTls, kTlsOnPlain, kGarbage };

  void Accept();
  void Add(UniqueFd fd);
  void OnReadable(uint64_t id);
  Kind Classify(std::string_view received) const;
  void Finish(uint64_t id, Kind kind);
  void Refuse(const std::string& peer, std::string_view why);

  EventLoop* loop_;
  UniqueFd tcp_;
  const Options options_;
  Sinks sinks_;
  EventLoop::WatchId watch_ = 0;
  // Kept open to be given up when descriptors run out: accept and close beats spinning.
  UniqueFd reserve_;
  std::map<uint64_t, Sniff> sniffs_;
  uint64_t next_id_ = 1;
  uint64_t accepted_ = 0;
  LogRateLimit log_limit_{Duration::Seconds(1)};
};

// The first bytes of a peer's connection without TLS: its hello's magic number.
inline constexpr std::string_view kPeerMagic = "TIDEMARK";

}  // namespace tidemark::net
