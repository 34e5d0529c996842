#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/time.h"
#include "runtime/base/unique_fd.h"

namespace tidemark::net {

// One thread's world: waits for descriptors, timers and functions brought by other threads, and
// runs their handlers one after the other. Handlers must not block; whatever they touch needs no
// lock.
//   Threads  Post, Bring, Stop and OnLoopThread from any thread, everything else on the loop's
//            thread: the one that called Run or RunOnce last, or, before that, the one that made
//            the loop. While that one sleeps, a thread that brings something takes its place for as
//            long as that takes.
//   Order    in one turn: due timers, then posted functions in the order of posting, then ready
//            descriptors, then what was posted meanwhile. A handler may watch, unwatch, set and
//            cancel anything, itself included; a handler that was removed earlier in the turn is
//            not called any more.
//   Source   epoll(7), level-triggered: a handler that leaves bytes unread is called again.
class EventLoop {
 public:
  // What a descriptor is ready for. An error or hang-up sets `failed` and both others, so that the
  // following read or write reports it.
  struct Ready {
    bool readable = false;
    bool writable = false;
    bool failed = false;
  };
  struct Interest {
    bool read = false;
    bool write = false;
  };
  using WatchId = uint64_t;  // never reused; 0 is none
  // Moment and sequence number; the default value names no timer.
  using TimerId = std::pair<Instant, uint64_t>;

  //   Errors  kUnavailable: the system gives no epoll or event descriptor (usually its limit on
  //           open files); names the call and the reason.
  static absl::StatusOr<std::unique_ptr<EventLoop>> Create();

  // Functions still posted are destroyed, not run.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Calls `handler` whenever `fd` is ready for what `interest` names.
  //   Lives   the loop does not own `fd`: Unwatch it before closing it.
  //   Errors  kUnavailable: the system's limit on watches or memory.
  absl::StatusOr<WatchId> Watch(int fd, Interest interest, std::function<void(Ready)> handler);

  // Changes what a watch waits for; with neither, only failures are reported. Unknown ids die.
  void SetInterest(WatchId id, Interest interest);

  // Forgets a watch; 0 and unknown ids are ignored.
  void Unwatch(WatchId id);

  // Runs `function` once, `delay` (or later) from now. Resolution is a millisecond.
  TimerId After(Duration delay, std::function<void()> function);

  // Forgets a timer; one that has run or never existed is ignored.
  void Cancel(const TimerId& id);

  // The engine's deadline: one slot, set anew after every step. Replaces the previous one;
  // Instant::Never() clears it.
  void SetDeadline(Instant at, std::function<void()> function);

  // Runs `function` on the loop's thread, soon. Wakes a sleeping loop once, however many functions
  // are posted before it wakes. The queue is not bounded: callers bound what they post.
  void Post(std::function<void()> function);

  // Runs until Stop. A Stop that came before Run ends it at once.
  void Run();

  // One turn that waits `limit` at most. For tests and for loops with another driver.
  void RunOnce(Duration limit);

  // Runs `function` and then what that posted, before it returns and on this thread, which is the
  // loop's meanwhile, if the loop sleeps and nothing is posted; otherwise like Post. For what is
  // waited for: to wake the loop's thread takes longer than most functions. The caller holds no
  // lock that a handler takes. What needs the loop's thread afterwards (a timer that is due sooner,
  // more that was posted) wakes it.
  //   Source  leader/followers (Schmidt et al., POSA 2): who has the event handles it.
  void Bring(std::function<void()> function);

  // Makes Run return after the turn that has run everything posted before.
  void Stop();

  bool OnLoopThread() const;

  // The time at the start of the turn: all handlers of a turn see the same.
  Instant now() const { return now_; }

  // A buffer for reading into, borrowed by the handler that runs; kScratchBytes long.
  std::span<char> scratch() { return {scratch_.get(), kScratchBytes}; }
  static constexpr size_t kScratchBytes = 128u << 10;

  // Descriptors watched, the loop's own not counted.
  size_t watch_count() const { return watches_.size(); }

 private:
  struct WatchState {
    int fd;
    uint32_t events;
    std::function<void(Ready)> handler;
  };

  EventLoop(UniqueFd epoll, UniqueFd wake);
  void RunTimers();
  void RunPosted();
  // When the thread that sleeps has to be awake.
  Instant Alarm() const;
  // Says that the loop is about to sleep, and for how long it may; from then until Awake others may
  // take its place.
  int FallAsleep(Duration limit);
  void Awake();
  // For a thread that is not the loop's: false if it cannot be that now.
  bool TakePlace();
  // With mutex_ held: whether to call Wake, once it is not.
  bool MustWake();
  void Wake();
  void Dispatch(uint64_t id, uint32_t events);

  UniqueFd epoll_;
  UniqueFd wake_;  // eventfd, watched under id 0
  std::atomic<std::thread::id> thread_;
  bool stopped_ = false;  // of the thread that runs the loop
  Instant now_;
  std::unique_ptr<char[]> scratch_;

  uint64_t last_id_ = 0;
  std::unordered_map<uint64_t, std::shared_ptr<WatchState>> watches_;
  std::map<TimerId, std::function<void()>> timers_;
  Instant deadline_ = Instant::Never();
  std::function<void()> on_deadline_;

  std::mutex mutex_;
  std::condition_variable left_;
  // Guarded by mutex_, from here. Whoever posts to a loop that is awake, or in which somebody is,
  // wakes nobody: they look here before they sleep or leave.
  std::vector<std::function<void()>> posted_;
  bool asleep_ = false;     // the thread waits for descriptors
  bool occupied_ = false;   // another thread has its place; only while asleep_
  bool returning_ = false;  // it wants its place back
  bool called_ = false;     // it was told to wake up
  Instant asleep_until_;
};

}  // namespace tidemark::net
