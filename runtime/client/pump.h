#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/time.h"

namespace tidemark::client {

// A thread that runs posted functions and a timer, one at a time: what makes a sans-IO session safe
// to feed from gRPC's threads.
class Pump {
 public:
  // `on_timer` runs when the deadline returned by `deadline` (asked after every round) has come.
  Pump(std::function<void()> on_timer, std::function<Instant()> deadline);
  // Runs what is posted, then ends.
  ~Pump();
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  // Any thread, until Stop returns. A job may end the pump's life once it runs.
  void Post(std::function<void()> job);
  // Ends the thread; posted jobs run first. Idempotent.
  void Stop();

 private:
  void Run();

  const std::function<void()> on_timer_;
  const std::function<Instant()> deadline_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tidemark::client
