#include <algorithm>

#include "runtime/rpc/services.h"

namespace tidemark::rpc {

RpcError ShuttingDown() {
  return RpcError{.code = absl::StatusCode::kUnavailable,
                  .reason = "SHUTTING_DOWN",
                  .message = "this server is shutting down; go on with another one",
                  .metadata = {}};
}

bool StreamRegistry::Add(std::weak_ptr<Stream> stream) {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (ended_) return false;
  // Forgets finished streams when the list would grow: amortised constant work.
  if (streams_.size() == streams_.capacity()) {
    std::erase_if(streams_, [](const std::weak_ptr<Stream>& old) { return old.expired(); });
    streams_.reserve(std::max<size_t>(16, streams_.size() * 2));
  }
  streams_.push_back(std::move(stream));
  return true;
}

void StreamRegistry::EndAll() {
  std::vector<std::weak_ptr<Stream>> streams;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    ended_ = true;
    streams.swap(streams_);
  }
  for (const std::weak_ptr<Stream>& stream : streams) {
    if (const std::shared_ptr<Stream> alive = stream.lock()) alive->EndForShutdown();
  }
}

}  // namespace tidemark::rpc
