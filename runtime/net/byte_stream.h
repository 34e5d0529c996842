#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "engine/base/time.h"
#include "runtime/base/unique_fd.h"
#include "runtime/net/event_loop.h"
#include "runtime/net/tls.h"

namespace tidemark::net {

// One connection on the loop, with or without TLS: bytes in, bytes out, and an end.
//   Lives   destroy it at any time outside its own callbacks; inside them use Close, after which no
//           callback runs.
class ByteStream {
 public:
  struct Callbacks {
    // TCP (and TLS) are up. Never called for accepted connections without TLS.
    std::function<void()> on_open;
    // Plain bytes; what is not consumed (the number returned) comes again with more behind it.
    std::function<size_t(std::string_view)> on_data;
    // The end, with the reason. The stream is closed.
    std::function<void(absl::Status)> on_closed;
    // Everything written has gone to the kernel.
    std::function<void()> on_drained;
  };

  // `tls` null: plain. `received`: bytes read before the stream was made. `connecting`: the
  // descriptor's connect is under way. The handshake must end within `handshake_timeout`.
  ByteStream(EventLoop* loop, UniqueFd fd, std::shared_ptr<TlsContext> tls, std::string received,
             bool connecting, Duration handshake_timeout, Callbacks callbacks);
  ~ByteStream();
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  // Queues bytes; sends what the kernel takes now. Call Flush after a group of writes.
  void Write(std::string_view plain);
  // The queue itself, to append to without a copy in between.
  std::string& write_buffer() { return plain_out_; }
  void Flush();
  // Ends without a callback. Idempotent.
  void Close();
  // Ends when what is queued has been sent.
  void CloseWhenDrained();
  // What still arrives is read and thrown away.
  void EndInput() { closing_input_ = true; }

  bool open() const { return open_; }
  // Bytes queued and not yet with the kernel.
  size_t pending() const { return out_.size() - sent_ + plain_out_.size(); }
  PeerIdentity identity() const { return tls_ ? tls_->identity() : PeerIdentity{}; }
  bool secure() const { return tls_.has_value(); }
  const std::string& peer() const { return peer_; }

 private:
  void OnReady(EventLoop::Ready ready);
  void Receive();
  void Take(std::string_view cipher);
  void Deliver();
  void MarkOpen();
  void End(absl::Status why);
  void WriteFailed(const absl::Status& why);
  void Watch();

  EventLoop* loop_;
  UniqueFd fd_;
  std::optional<TlsSession> tls_;
  Callbacks callbacks_;
  std::string peer_;
  std::string in_;
  std::string plain_out_;  // written before the handshake ended, or not yet encrypted
  std::string out_;
  size_t sent_ = 0;
  bool connecting_;
  bool open_ = false;
  bool closing_ = false;
  bool closing_input_ = false;
  bool write_failed_ = false;
  bool wants_write_ = false;
  EventLoop::WatchId watch_ = 0;
  std::optional<EventLoop::TimerId> handshake_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tidemark::net
