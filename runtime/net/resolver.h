#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "engine/base/endpoint.h"
#include "runtime/net/event_loop.h"

namespace tidemark::net {

// Turns host names into addresses without blocking the loop: getaddrinfo(3) may take many seconds,
// so it runs on a thread of its own, one name at a time.
//   Threads  the loop's thread only.
class Resolver {
 public:
  using Done = std::function<void(absl::StatusOr<Endpoint>)>;

  explicit Resolver(EventLoop* loop);
  // Answers still to come are dropped; a lookup under way ends in the background.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Calls `done` on the loop, never before Resolve returns. An IP literal is its own answer.
  //   Errors  kUnavailable: the name and what the system's resolver says; kResourceExhausted: more
  //           than kQueueMax names wait.
  void Resolve(const Endpoint& name, Done done);

  static constexpr size_t kQueueMax = 256;

 private:
  struct Shared;
  EventLoop* const loop_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace tidemark::net
