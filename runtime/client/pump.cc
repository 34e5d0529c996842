#include "runtime/client/pump.h"

#include <chrono>

#include "runtime/base/clock.h"

namespace tidemark::client {

Pump::Pump(std::function<void()> on_timer, std::function<Instant()> deadline)
    : on_timer_(std::move(on_timer)), deadline_(std::move(deadline)), thread_([this] { Run(); }) {}

Pump::~Pump() { Stop(); }

void Pump::Stop() {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Pump::Post(std::function<void()> job) {
  const std::lock_guard<std::mutex> hold(mutex_);
  jobs_.push_back(std::move(job));
  // Under the lock: the job may be the one that lets the pump's owner destroy it.
  if (jobs_.size() == 1) wake_.notify_one();  // else already woken
}

void Pump::Run() {
  for (;;) {
    const Instant deadline = deadline_();
    std::vector<std::function<void()>> jobs;
    {
      std::unique_lock<std::mutex> hold(mutex_);
      const auto ready = [this] { return stopping_ || !jobs_.empty(); };
      if (deadline == Instant::Never()) {
        wake_.wait(hold, ready);
      } else {
        const Duration left = deadline - MonotonicNow();
        if (left > Duration()) wake_.wait_for(hold, std::chrono::nanoseconds(left.nanos()), ready);
      }
      jobs.swap(jobs_);
      if (jobs.empty() && stopping_) return;
    }
    for (std::function<void()>& job : jobs) job();
    if (MonotonicNow() >= deadline_()) on_timer_();
  }
}

}  // namespace tidemark::client
