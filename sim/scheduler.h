#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/time.h"

namespace tidemark::sim {

// A place for a function to be called once: the simulator makes tens of thousands of them per run,
// and none may cost an allocation of its own.
class Task {
 public:
  static constexpr size_t kBytes = 152;

  Task() = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() { Clear(); }

  // Dies if there is one already.
  template <typename F>
  void Set(F&& function) {
    using T = std::decay_t<F>;
    static_assert(sizeof(T) <= kBytes && alignof(T) <= alignof(std::max_align_t));
    TIDEMARK_CHECK(end_ == nullptr);
    ::new (static_cast<void*>(storage_)) T(std::forward<F>(function));
    end_ = [](void* at, bool call) {
      T& held = *static_cast<T*>(at);
      if (call) held();
      held.~T();
    };
  }
  // Calls and destroys it; it may not set this one anew.
  void Run() {
    end_(storage_, true);
    end_ = nullptr;
  }

 private:
  void Clear() {
    if (end_ != nullptr) end_(storage_, false);
  }

  alignas(std::max_align_t) std::byte storage_[kBytes];
  void (*end_)(void* at, bool call) = nullptr;
};

// Virtual time: runs tasks in order of their time, those of equal time in the order in which they
// were scheduled. Time jumps from task to task and never goes back.
class Scheduler {
 public:
  Instant now() const { return now_; }

  // `at` in the past means now.
  template <typename F>
  void At(Instant at, F&& function) {
    if (free_.empty()) Grow();
    const uint32_t slot = free_.back();
    free_.pop_back();
    TaskAt(slot).Set(std::forward<F>(function));
    Push(KeyOf(std::max(at, now_), next_sequence_++, slot));
  }
  template <typename F>
  void After(Duration delay, F&& function) {
    At(now_ + delay, std::forward<F>(function));
  }

  // Runs the next task if it is due at or before `end`; false (and now() == end) if there is none.
  bool RunNext(Instant end) {
    if (heap_.empty() || TimeOf(heap_.front()) > end) {
      now_ = std::max(now_, end);
      return false;
    }
    const Key next = Pop();
    const uint32_t slot = static_cast<uint32_t>(next) & kSlotMask;
    now_ = TimeOf(next);
    ++executed_;
    TaskAt(slot).Run();
    free_.push_back(slot);
    return true;
  }

  uint64_t executed() const { return executed_; }
  size_t pending() const { return heap_.size(); }

 private:
  // Time, sequence and slot in one number, so that one comparison orders two tasks: this is done
  // some ten times per task.
  using Key = unsigned __int128;
  static constexpr int kSlotBits = 24;
  static constexpr uint32_t kSlotMask = (1u << kSlotBits) - 1;
  static constexpr uint64_t kSign = uint64_t{1} << 63;

  static Key KeyOf(Instant at, uint64_t sequence, uint32_t slot) {
    return Key{static_cast<uint64_t>(at.nanos()) ^ kSign} << 64 | sequence << kSlotBits | slot;
  }
  static Instant TimeOf(Key key) {
    return Instant::FromNanos(static_cast<int64_t>(static_cast<uint64_t>(key >> 64) ^ kSign));
  }

  // A heap in which each node has four children, one cache line: half as deep as one of two.
  static constexpr size_t kChildren = 4;

  void Push(Key key) {
    size_t at = heap_.size();
    heap_.push_back(key);
    while (at > 0) {
      const size_t parent = (at - 1) / kChildren;
      if (heap_[parent] <= key) break;
      heap_[at] = heap_[parent];
      at = parent;
    }
    heap_[at] = key;
  }
  Key Pop() {
    const Key first = heap_.front();
    const Key last = heap_.back();
    heap_.pop_back();
    const size_t size = heap_.size();
    size_t at = 0;
    for (size_t child = 1; child < size; child = at * kChildren + 1) {
      const size_t end = std::min(child + kChildren, size);
      size_t least = child;
      for (size_t other = child + 1; other < end; ++other) {
        if (heap_[other] < heap_[least]) least = other;
      }
      if (last <= heap_[least]) break;
      heap_[at] = heap_[least];
      at = least;
    }
    if (size > 0) heap_[at] = last;
    return first;
  }

  // Tasks stay where they are: one that runs may bring about many more.
  static constexpr size_t kChunk = 64;
  using Chunk = std::array<Task, kChunk>;

  Task& TaskAt(uint32_t slot) { return (*chunks_[slot / kChunk])[slot % kChunk]; }
  void Grow() {
    const uint32_t first = static_cast<uint32_t>(chunks_.size() * kChunk);
    TIDEMARK_CHECK_LE(first + kChunk, size_t{kSlotMask});
    chunks_.push_back(std::make_unique<Chunk>());
    for (uint32_t i = kChunk; i > 0; --i) free_.push_back(first + i - 1);
  }

  Instant now_;
  uint64_t next_sequence_ = 0;
  uint64_t executed_ = 0;
  std::vector<Key> heap_;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::vector<uint32_t> free_;
};

}  // namespace tidemark::sim
