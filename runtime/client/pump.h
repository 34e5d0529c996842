#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "engine/base/time.h"

namespace tidemark::client {

// Runs jobs and a timer, one at a time: what makes a sans-IO session safe to feed from several
// threads. A thread that is woken costs more than most jobs do, so whoever brings a job runs it if
// nobody else is in, and whoever is in runs what others bring meanwhile (flat combining: Hendler,
// Incze, Shavit, Tzafrir, SPAA 2010). What the one who is in may not run, and the timer, the pump's
// own thread runs.
//   Order   jobs run in the order in which they came, of whatever kind.
class Pump {
 public:
  // Who may run a job; each may also run the jobs of those before it.
  enum class By : uint8_t {
    kAnybody,   // it calls nobody back
    kInternal,  // threads of this library and of gRPC: it may call the user back
    kPump,      // the pump's thread
  };

  // `on_timer` runs on the pump's thread when the deadline returned by `deadline` has come. That is
  // asked by the maker, and then by whoever was in, before the next one is.
  Pump(std::function<void()> on_timer, std::function<Instant()> deadline);
  // Runs what was posted, then ends.
  ~Pump();
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  // Queues a job, for the pump's thread if nobody is in. Any thread, until Stop returns; a job that
  // is kPump may end the pump's life once it runs.
  void Post(By by, std::function<void()> job);
  // The same, but runs it before it returns if nobody is in and nothing waits. `by` is what the
  // caller is, too. The caller holds no lock that a job takes.
  void Bring(By by, std::function<void()> job);
  // Ends the thread; posted jobs run first. Idempotent.
  void Stop();

 private:
  struct Job {
    By by;
    std::function<void()> run;
  };

  void Main();
  // Runs what waits, and what comes meanwhile, as far as `by` may. Nobody is in before; `hold` is
  // on mutex_, and given up while jobs run.
  void Drain(By by, std::unique_lock<std::mutex>& hold);
  // With mutex_ held: wakes the pump's thread if there is something only it can do now.
  void WakeIfWanted();

  const std::function<void()> on_timer_;
  const std::function<Instant()> deadline_;
  std::mutex mutex_;
  std::condition_variable wake_;
  // All guarded by mutex_.
  std::deque<Job> jobs_;
  bool busy_ = false;  // somebody is in
  bool stopping_ = false;
  Instant next_;          // the deadline when nobody was in last
  Instant asleep_until_;  // of the pump's thread; long ago while it is awake
  std::thread thread_;
};

}  // namespace tidemark::client
