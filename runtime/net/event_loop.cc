#include "runtime/net/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "runtime/base/clock.h"

namespace tidemark::net {
namespace {

constexpr uint64_t kWakeId = 0;
constexpr size_t kEventsPerTurn = 256;

uint32_t EpollEvents(EventLoop::Interest interest) {
  return (interest.read ? EPOLLIN | EPOLLRDHUP : 0u) | (interest.write ? EPOLLOUT : 0u);
}

absl::Status SystemError(std::string_view call) {
  return absl::UnavailableError(
      absl::StrCat(std::string(call), ": ", std::strerror(errno),
                   "; check the limits on open files (ulimit -n) and memory"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Create() {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return SystemError("epoll_create1");
  UniqueFd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake.valid()) return SystemError("eventfd");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWakeId;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return SystemError("epoll_ctl");
  }
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(epoll), std::move(wake)));
}

EventLoop::EventLoop(UniqueFd epoll, UniqueFd wake)
    : epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      thread_(std::this_thread::get_id()),
      now_(MonotonicNow()),
      scratch_(new char[kScratchBytes]) {}

EventLoop::~EventLoop() = default;

absl::StatusOr<EventLoop::WatchId> EventLoop::Watch(int fd, Interest interest,
                                                    std::function<void(Ready)> handler) {
  const WatchId id = ++last_id_;
  epoll_event event{};
  event.events = EpollEvents(interest);
  event.data.u64 = id;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return SystemError("epoll_ctl");
  watches_.emplace(id, std::make_shared<WatchState>(WatchState{
                           .fd = fd, .events = event.events, .handler = std::move(handler)}));
  return id;
}

void EventLoop::SetInterest(WatchId id, Interest interest) {
  const auto found = watches_.find(id);
  TIDEMARK_CHECK(found != watches_.end());
  WatchState& watch = *found->second;
  const uint32_t events = EpollEvents(interest);
  if (watch.events == events) return;
  watch.events = events;
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  TIDEMARK_CHECK_EQ(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, watch.fd, &event), 0);
}

void EventLoop::Unwatch(WatchId id) {
  const auto found = watches_.find(id);
  if (found == watches_.end()) return;
  TIDEMARK_CHECK_EQ(::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second->fd, nullptr), 0);
  watches_.erase(found);
}

EventLoop::TimerId EventLoop::After(Duration delay, std::function<void()> function) {
  const TimerId id(MonotonicNow() + delay, ++last_id_);
  timers_.emplace(id, std::move(function));
  return id;
}

void EventLoop::Cancel(const TimerId& id) { timers_.erase(id); }

void EventLoop::SetDeadline(Instant at, std::function<void()> function) {
  deadline_ = at;
  on_deadline_ = std::move(function);
}

void EventLoop::Post(std::function<void()> function) {
  bool wake = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    posted_.push_back(std::move(function));
    wake = MustWake();
  }
  if (wake) Wake();
}

void EventLoop::Bring(std::function<void()> function) {
  if (!TakePlace()) {
    Post(std::move(function));
    return;
  }
  const std::thread::id owner =
      thread_.exchange(std::this_thread::get_id(), std::memory_order_relaxed);
  now_ = MonotonicNow();
  function();
  function = nullptr;  // here, where it may touch what it holds
  RunPosted();
  thread_.store(owner, std::memory_order_relaxed);
  bool wake = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    occupied_ = false;
    if (returning_) {
      left_.notify_one();
    } else if (!posted_.empty() || stopped_ || Alarm() < asleep_until_) {
      wake = MustWake();
    }
  }
  if (wake) Wake();
}

bool EventLoop::TakePlace() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!asleep_ || occupied_ || returning_ || !posted_.empty()) return false;
  return occupied_ = true;
}

bool EventLoop::MustWake() {
  return asleep_ && !occupied_ && !returning_ && !std::exchange(called_, true);
}

void EventLoop::Wake() {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the loop is awake anyway.
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof(one));
}

void EventLoop::Run() {
  while (!std::exchange(stopped_, false)) RunOnce(Duration::Max());
}

void EventLoop::Stop() {
  // In its place among what was posted: a flag would overtake it.
  Post([this] { stopped_ = true; });
}

bool EventLoop::OnLoopThread() const {
  return thread_.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

void EventLoop::RunOnce(Duration limit) {
  if (!OnLoopThread()) thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  now_ = MonotonicNow();
  std::array<epoll_event, kEventsPerTurn> events;
  const int count =
      ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), FallAsleep(limit));
  TIDEMARK_CHECK(count >= 0 || errno == EINTR);
  Awake();
  now_ = MonotonicNow();
  RunTimers();
  RunPosted();
  for (int i = 0; i < count; ++i) Dispatch(events[i].data.u64, events[i].events);
  // What was received is acted upon now, not after another look at the descriptors.
  RunPosted();
}

void EventLoop::RunTimers() {
  // Timers set by a timer wait for the next turn, so a zero delay cannot keep descriptors waiting.
  const uint64_t newest = last_id_;
  while (!timers_.empty() && timers_.begin()->first.first <= now_ &&
         timers_.begin()->first.second <= newest) {
    auto timer = timers_.extract(timers_.begin());
    timer.mapped()();
  }
  if (deadline_ <= now_ && deadline_ != Instant::Never()) {
    deadline_ = Instant::Never();
    const auto function = std::exchange(on_deadline_, nullptr);
    function();
  }
}

void EventLoop::RunPosted() {
  std::vector<std::function<void()>> batch;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    batch.swap(posted_);
  }
  for (std::function<void()>& function : batch) {
    function();
    function = nullptr;
  }
}

Instant EventLoop::Alarm() const {
  return timers_.empty() ? deadline_ : std::min(deadline_, timers_.begin()->first.first);
}

int EventLoop::FallAsleep(Duration limit) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!posted_.empty()) return 0;
  const Instant until = std::min(Alarm(), now_ + limit);
  if (until <= now_) return 0;
  asleep_ = true;
  asleep_until_ = until;
  if (until == Instant::Never()) return -1;
  // Rounded up: waking early would spin until the moment comes.
  const int64_t millis = ((until - now_).nanos() - 1) / 1'000'000 + 1;
  return static_cast<int>(std::min<int64_t>(millis, INT_MAX));
}

void EventLoop::Awake() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!asleep_) return;
  returning_ = true;
  left_.wait(lock, [this] { return !occupied_; });
  returning_ = false;
  asleep_ = false;
  called_ = false;
}

void EventLoop::Dispatch(uint64_t id, uint32_t events) {
  if (id == kWakeId) {
    uint64_t count;
    [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof(count));
    return;
  }
  const auto found = watches_.find(id);
  if (found == watches_.end()) return;                     // removed earlier in this turn
  const std::shared_ptr<WatchState> keep = found->second;  // the handler may remove itself
  const bool failed = (events & (EPOLLERR | EPOLLHUP)) != 0;
  keep->handler(Ready{.readable = failed || (events & (EPOLLIN | EPOLLRDHUP)) != 0,
                      .writable = failed || (events & EPOLLOUT) != 0,
                      .failed = failed});
}

}  // namespace tidemark::net
