#include "runtime/client/pump.h"

#include <chrono>

#include "runtime/base/clock.h"

namespace tidemark::client {

Pump::Pump(std::function<void()> on_timer, std::function<Instant()> deadline)
    : on_timer_(std::move(on_timer)), deadline_(std::move(deadline)), next_(deadline_()) {
  thread_ = std::thread([this] { Main(); });
}

Pump::~Pump() { Stop(); }

void Pump::Stop() {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Pump::Post(By by, std::function<void()> job) {
  const std::lock_guard<std::mutex> hold(mutex_);
  jobs_.push_back({by, std::move(job)});
  // Under the lock: the job may be the one that lets the pump's owner destroy it.
  if (jobs_.size() == 1) WakeIfWanted();  // else already woken
}

void Pump::Bring(By by, std::function<void()> job) {
  std::unique_lock<std::mutex> hold(mutex_);
  jobs_.push_back({by, std::move(job)});
  // Whoever is in takes it from there, or the thread, which was woken for what is before it.
  if (busy_ || jobs_.size() > 1) return;
  Drain(by, hold);
  WakeIfWanted();
}

void Pump::Drain(By by, std::unique_lock<std::mutex>& hold) {
  busy_ = true;
  const auto more = [&] { return !jobs_.empty() && jobs_.front().by <= by; };
  do {
    while (more()) {
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      hold.unlock();
      job.run();
      job.run = nullptr;  // what it holds goes where it ran, and not under the lock
      hold.lock();
    }
    hold.unlock();
    const Instant next = deadline_();
    hold.lock();
    next_ = next;
  } while (more());
  busy_ = false;
}

void Pump::WakeIfWanted() {
  if (busy_) return;  // and will look here when it leaves
  // A deadline that moved away wakes nobody: the thread finds out when the old one has come. With
  // one record in flight each would otherwise wake it twice.
  if (!jobs_.empty() || stopping_ || next_ < asleep_until_) wake_.notify_one();
}

void Pump::Main() {
  std::unique_lock<std::mutex> hold(mutex_);
  for (;;) {
    if (!busy_ && jobs_.empty() && !stopping_ && MonotonicNow() >= next_) {
      jobs_.push_back({By::kPump, on_timer_});
    }
    if (!busy_ && !jobs_.empty()) {
      Drain(By::kPump, hold);
      continue;
    }
    if (!busy_ && stopping_) return;
    // Who is in looks at the deadline when it leaves.
    asleep_until_ = busy_ ? Instant::Never() : next_;
    if (asleep_until_ == Instant::Never()) {
      wake_.wait(hold);
    } else {
      const Duration left = asleep_until_ - MonotonicNow();
      wake_.wait_for(hold, std::chrono::nanoseconds(left.nanos()));
    }
    asleep_until_ = Instant();
  }
}

}  // namespace tidemark::client
