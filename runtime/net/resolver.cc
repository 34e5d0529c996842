#include "runtime/net/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tidemark::net {
namespace {

absl::StatusOr<Endpoint> Lookup(const Endpoint& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(name.host.c_str(), nullptr, &hints, &found);
  if (error != 0 || found == nullptr) {
    return absl::UnavailableError(absl::StrCat("cannot find the address of \"", name.host, "\": ",
                                               ::gai_strerror(error), "; check the name and DNS"));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  char text[INET6_ADDRSTRLEN] = "";
  if (found->ai_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(found->ai_addr)->sin_addr, text,
                sizeof(text));
  } else if (found->ai_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6*>(found->ai_addr)->sin6_addr, text,
                sizeof(text));
  }
  return Endpoint{.host = text, .port = name.port};
}

}  // namespace

// Outlives the resolver while a lookup is under way.
struct Resolver::Shared {
  struct Job {
    Endpoint name;
    Done done;
  };
  std::mutex mutex;
  EventLoop* loop = nullptr;  // null once the resolver is gone
  std::deque<Job> jobs;
  bool running = false;

  static void Run(const std::shared_ptr<Shared>& shared) {
    for (;;) {
      Job job;
      {
        const std::lock_guard<std::mutex> lock(shared->mutex);
        if (shared->loop == nullptr || shared->jobs.empty()) {
          shared->running = false;
          return;
        }
        job = std::move(shared->jobs.front());
        shared->jobs.pop_front();
      }
      absl::StatusOr<Endpoint> answer = Lookup(job.name);
      const std::lock_guard<std::mutex> lock(shared->mutex);
      if (shared->loop != nullptr) {
        shared->loop->Post([shared, done = std::move(job.done), answer = std::move(answer)] {
          // Only the loop's thread sets it to null, so it need not be locked here.
          if (shared->loop != nullptr) done(answer);
        });
      }
    }
  }
};

Resolver::Resolver(EventLoop* loop) : loop_(loop), shared_(std::make_shared<Shared>()) {
  shared_->loop = loop;
}

Resolver::~Resolver() {
  std::deque<Shared::Job> dropped;  // destroyed without the lock
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  shared_->loop = nullptr;
  dropped.swap(shared_->jobs);
}

void Resolver::Resolve(const Endpoint& name, Done done) {
  absl::StatusOr<Endpoint> answer = name;
  if (!PackIp(name.host).has_value()) {
    const std::lock_guard<std::mutex> lock(shared_->mutex);
    if (shared_->jobs.size() < kQueueMax) {
      shared_->jobs.push_back({.name = name, .done = std::move(done)});
      if (!std::exchange(shared_->running, true)) {
        // Detached: a lookup cannot be interrupted, and the process must be able to end meanwhile.
        std::thread([shared = shared_] { Shared::Run(shared); }).detach();
      }
      return;
    }
    answer = absl::ResourceExhaustedError("too many names wait for their addresses");
  }
  loop_->Post([shared = shared_, done = std::move(done), answer = std::move(answer)] {
    if (shared->loop != nullptr) done(answer);
  });
}

}  // namespace tidemark::net
