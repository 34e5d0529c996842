#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/time.h"

namespace tidemark::sim {

// A function to be called once, stored in place: the simulator makes tens of thousands of them per
// run and none may cost an allocation of its own.
class Task {
 public:
  static constexpr size_t kBytes = 152;

  Task() = default;
  template <typename F>
    requires(!std::is_same_v<std::decay_t<F>, Task>)
  Task(F&& function) {  // NOLINT: converts on purpose
    using T = std::decay_t<F>;
    static_assert(sizeof(T) <= kBytes && alignof(T) <= alignof(std::max_align_t));
    ::new (static_cast<void*>(storage_)) T(std::forward<F>(function));
    call_ = [](void* at) { (*static_cast<T*>(at))(); };
    move_ = [](void* from, void* to) {
      T* source = static_cast<T*>(from);
      if (to != nullptr) ::new (to) T(std::move(*source));
      source->~T();
    };
  }
  Task(Task&& other) noexcept { Take(other); }
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      Clear();
      Take(other);
    }
    return *this;
  }
  ~Task() { Clear(); }

  void operator()() { call_(storage_); }

 private:
  void Clear() {
    if (move_ != nullptr) move_(storage_, nullptr);
    move_ = nullptr;
  }
  void Take(Task& other) {
    call_ = other.call_;
    move_ = std::exchange(other.move_, nullptr);
    if (move_ != nullptr) move_(other.storage_, storage_);
  }

  alignas(std::max_align_t) std::byte storage_[kBytes];
  void (*call_)(void*) = nullptr;
  void (*move_)(void*, void*) = nullptr;
};

// Virtual time: runs tasks in order of their time, those of equal time in the order in which they
// were scheduled. Time jumps from task to task and never goes back.
class Scheduler {
 public:
  Instant now() const { return now_; }

  // `at` in the past means now.
  void At(Instant at, Task task) {
    uint32_t slot;
    if (free_.empty()) {
      slot = static_cast<uint32_t>(tasks_.size());
      tasks_.push_back(std::move(task));
    } else {
      slot = free_.back();
      free_.pop_back();
      tasks_[slot] = std::move(task);
    }
    heap_.push_back({std::max(at, now_), next_sequence_++, slot});
    std::push_heap(heap_.begin(), heap_.end(), Later);
  }
  void After(Duration delay, Task task) { At(now_ + delay, std::move(task)); }

  // Runs the next task if it is due at or before `end`; false (and now() == end) if there is none.
  bool RunNext(Instant end) {
    if (heap_.empty() || heap_.front().at > end) {
      now_ = std::max(now_, end);
      return false;
    }
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    const Entry entry = heap_.back();
    heap_.pop_back();
    now_ = entry.at;
    Task task = std::move(tasks_[entry.slot]);
    free_.push_back(entry.slot);
    ++executed_;
    task();
    return true;
  }

  uint64_t executed() const { return executed_; }
  size_t pending() const { return heap_.size(); }

 private:
  struct Entry {
    Instant at;
    uint64_t sequence;
    uint32_t slot;
  };
  static bool Later(const Entry& a, const Entry& b) {
    return a.at != b.at ? a.at > b.at : a.sequence > b.sequence;
  }

  Instant now_;
  uint64_t next_sequence_ = 0;
  uint64_t executed_ = 0;
  std::vector<Entry> heap_;
  std::vector<Task> tasks_;
  std::vector<uint32_t> free_;
};

}  // namespace tidemark::sim
