#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/time.h"
#include "runtime/net/event_loop.h"
#include "runtime/net/tls.h"

namespace tidemark::net {

// The settings of every kind of connection, from the same three files.
struct TlsContexts {
  std::shared_ptr<TlsContext> peer_server;
  std::shared_ptr<TlsContext> peer_client;
  std::shared_ptr<TlsContext> http;
};

// Loads certificates and looks at their files from then on: whoever renews them need not restart
// anything. Loop thread only.
//   Changes  a file counts as changed when its inode, size, modification or status change time is
//            another; a link is followed. The files are read once they have kept still for one
//            `interval`, so that a pair replaced one file after the other is not read in between.
//   Limits   a look is three stat(2), a change also reads three small files: both on the loop.
class TlsWatch {
 public:
  // Must not destroy the watch.
  struct Callbacks {
    // Use these for connections that begin from now on.
    std::function<void(const TlsContexts&)> on_renewed;
    // The changed files cannot be used (which one and why): what was loaded before stays. Told once
    // for each change.
    std::function<void(const absl::Status&)> on_unusable;
  };

  //   Errors  those of TlsContext::Create.
  static absl::StatusOr<std::unique_ptr<TlsWatch>> Open(EventLoop* loop, TlsFiles files,
                                                        Duration interval, Callbacks callbacks);
  ~TlsWatch();
  TlsWatch(const TlsWatch&) = delete;
  TlsWatch& operator=(const TlsWatch&) = delete;

  // As loaded last.
  const TlsContexts& contexts() const { return contexts_; }

 private:
  // What tells one state of a file from another; all zero for a file that is not there.
  struct Stamp {
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t bytes = 0;
    int64_t modified_ns = 0;
    int64_t changed_ns = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  using Stamps = std::array<Stamp, 3>;

  TlsWatch(EventLoop* loop, TlsFiles files, Duration interval, Callbacks callbacks);
  static Stamp StampOf(const std::string& path);
  Stamps Look() const;
  absl::Status Load();
  void OnTimer();

  EventLoop* const loop_;
  const TlsFiles files_;
  const Duration interval_;
  const Callbacks callbacks_;
  TlsContexts contexts_;
  Stamps loaded_;  // when the files were read last, well or not
  Stamps seen_;    // at the last look
  EventLoop::TimerId timer_;
};

}  // namespace tidemark::net
