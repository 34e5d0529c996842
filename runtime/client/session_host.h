#pragma once

#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/balancer/producer_session.h"
#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "runtime/base/clock.h"
#include "runtime/client/pump.h"
#include "runtime/client/shared.h"

namespace tidemark::client {

// What a producer and a consumer have in common: a session of engine/balancer, stepped by the jobs
// of a pump under the client's lock, and the calls (one for each of its streams) that it asks for.
//   Call     has Cancel(), after which it still reports its end, once; it lives until that report
//            is taken in, which destroys it (and its hold on a channel) on the pump's thread: a
//            channel that goes on one of gRPC's own threads takes that thread's queue with it.
//   Threads  members marked so from anywhere, all others from jobs of the pump.
//   Lives    the derived class calls Begin when it is whole, and End first thing when it goes.
template <typename Session, typename Action, typename Call>
class SessionHost {
 protected:
  using Actions = std::vector<Action>;

  template <typename Options>
  SessionHost(std::shared_ptr<Shared> shared, std::string topic, PartitionId partition,
              Options options)
      : shared_(std::move(shared)),
        topic_(std::move(topic)),
        partition_(partition),
        session_({topic_, partition_}, std::move(options), &shared_->view, &shared_->picker,
                 shared_->prng.Fork()) {}
  virtual ~SessionHost() = default;
  SessionHost(const SessionHost&) = delete;
  SessionHost& operator=(const SessionHost&) = delete;

  // Carries out what the session asks for; closing streams and refreshing the view is done here.
  virtual void Perform(const Action& action) = 0;
  // The session has been told that a stream ended.
  virtual void AfterClosed() {}

  // The maker's thread.
  void Begin() {
    pump_ = std::make_unique<Pump>(
        [this] { Run([this](Actions& out) { session_.OnTimer(MonotonicNow(), out); }); },
        [this] { return Deadline(); });
  }
  // Any thread but the pump's. Runs `last` as the last step of the session, cancels what calls
  // there are and waits for their end, so that gRPC holds nothing of ours when this returns.
  template <typename Step>
  void End(Step last) {
    std::future<void> ended = ended_.get_future();
    Post(Pump::By::kPump, [this, last] {
      Run(last);
      ending_ = true;
      while (!calls_.empty()) Close(calls_.begin()->first);
      if (closing_.empty()) ended_.set_value();
    });
    ended.wait();
    pump_->Stop();
  }
  // Any thread; Pump says what they do.
  void Post(Pump::By by, std::function<void()> job) { pump_->Post(by, std::move(job)); }
  void Bring(Pump::By by, std::function<void()> job) { pump_->Bring(by, std::move(job)); }

  // Runs one step of the session under the client's lock, then what it asks for.
  template <typename Step>
  void Run(Step step) {
    Actions actions;
    {
      const std::lock_guard<std::mutex> hold(shared_->mutex);
      step(actions);
    }
    if (ending_) return;  // nobody is left to do it for
    for (const Action& action : actions) {
      if (const auto* close = std::get_if<balancer::CloseStream>(&action)) {
        Close(close->stream);
      } else if (std::holds_alternative<balancer::RefreshView>(action)) {
        shared_->RefreshLater(topic_);
      } else {
        Perform(action);
      }
    }
  }

  // The call of an open stream, or null.
  Call* Find(balancer::StreamId stream) {
    const auto call = calls_.find(stream);
    return call == calls_.end() ? nullptr : call->second.get();
  }
  // What the call of `stream` is to do, once, when it has ended; any thread. The call may be
  // destroyed before this returns.
  std::function<void(balancer::CallError)> WhenClosed(balancer::StreamId stream) {
    return [this, stream](balancer::CallError error) {
      Post(Pump::By::kPump, [this, stream, error = std::move(error)] {
        calls_.erase(stream);
        closing_.erase(stream);
        if (ending_) {
          if (closing_.empty()) ended_.set_value();
          return;
        }
        Run([&](Actions& out) { session_.OnStreamClosed(MonotonicNow(), stream, error, out); });
        AfterClosed();
      });
    };
  }

  const std::shared_ptr<Shared> shared_;
  const std::string topic_;
  const PartitionId partition_;
  Session session_;
  std::map<balancer::StreamId, std::unique_ptr<Call>> calls_;

 private:
  void Close(balancer::StreamId stream) {
    const auto call = calls_.find(stream);
    if (call == calls_.end()) return;
    // Moved first: the call may report its end before Cancel returns.
    closing_.insert(calls_.extract(call)).position->second->Cancel();
  }
  Instant Deadline() {
    if (ending_) return Instant::Never();
    const std::lock_guard<std::mutex> hold(shared_->mutex);
    return session_.next_deadline();
  }

  // Cancelled, their end not yet reported.
  std::map<balancer::StreamId, std::unique_ptr<Call>> closing_;
  bool ending_ = false;
  std::promise<void> ended_;
  std::unique_ptr<Pump> pump_;
};

}  // namespace tidemark::client
