#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/balancer/producer_session.h"
#include "sim/client.h"

namespace tidemark::sim {

// What a producer and a consumer have in common: a production session of engine/balancer that talks
// to one node at a time, its streams and its timer.
template <typename Session, typename Action>
class SessionClient : public Client {
 public:
  GroupId group() const { return group_; }
  uint32_t actor() const { return actor_; }

 protected:
  using Actions = std::vector<Action>;

  template <typename Options>
  SessionClient(World* world, uint32_t actor, const std::string& topic, PartitionId partition,
                GroupId group, const Options& options)
      : Client(world, actor, topic),
        partition_(partition),
        group_(group),
        session_({.topic = topic, .partition = partition}, options, &view_, &picker_,
                 Prng(world->decisions().Draw(Site::kClientSeed, actor))) {}

  // Carries out what the session asks for.
  virtual void Perform(const Action& action) = 0;

  // One step of the session and all it asks for.
  template <typename Step>
  void Run(Step step) {
    Actions actions;
    step(actions);
    for (const Action& action : actions) {
      if (std::holds_alternative<balancer::RefreshView>(action)) {
        RefreshView();
      } else {
        Perform(action);
      }
    }
    ArmTimer();
  }

  // A stream to the node at `target`; null when nobody listens there, of which the session hears
  // later.
  StreamPtr Connect(balancer::StreamId id, const balancer::Target& target) {
    const std::optional<size_t> node = world_->NodeAt(target.address);
    if (!node.has_value() || !world_->up(*node)) {
      world_->scheduler().After(Latency(),
                                [this, id] { Closed(id, Broken("connection refused")); });
      return nullptr;
    }
    auto stream = std::make_shared<Stream>();
    stream->node = *node;
    stream->incarnation = world_->incarnation(*node);
    streams_.emplace(id, stream);
    return stream;
  }

  // The stream that the session closes, already broken; null if it is gone.
  StreamPtr Take(const balancer::CloseStream& close) {
    const auto found = streams_.find(close.stream);
    if (found == streams_.end()) return nullptr;
    StreamPtr stream = std::move(found->second);
    streams_.erase(found);
    stream->broken = true;
    return stream;
  }

  // The session hears that a stream has ended.
  void Closed(balancer::StreamId id, const balancer::CallError& error) {
    Run([&](Actions& out) { session_.OnStreamClosed(now(), id, error, out); });
  }

  std::vector<std::pair<balancer::StreamId, StreamPtr>> StreamsTo(size_t node) const {
    std::vector<std::pair<balancer::StreamId, StreamPtr>> found;
    for (const auto& [id, stream] : streams_) {
      if (stream->node == node) found.emplace_back(id, stream);
    }
    return found;
  }

  static balancer::CallError Broken(std::string message) {
    return {.code = absl::StatusCode::kUnavailable, .message = std::move(message)};
  }

  const PartitionId partition_;
  const GroupId group_;
  Session session_;
  std::map<balancer::StreamId, StreamPtr> streams_;

 private:
  void ArmTimer() {
    const Instant deadline = session_.next_deadline();
    if (deadline >= timer_) return;
    timer_ = deadline;
    world_->scheduler().At(deadline, [this, deadline] {
      if (timer_ != deadline) return;
      timer_ = Instant::Never();
      Run([this](Actions& out) { session_.OnTimer(now(), out); });
    });
  }

  Instant timer_ = Instant::Never();
};

}  // namespace tidemark::sim
