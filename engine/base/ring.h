#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "engine/base/check.h"

namespace tidemark {

// A queue of values in one growing buffer: what std::deque is for, without an allocation every few
// elements, so that a steady stream through it allocates nothing.
template <typename T>
class Ring {
 public:
  bool empty() const { return count_ == 0; }
  size_t size() const { return count_; }

  // Dies if `i` is not below size().
  T& operator[](size_t i) {
    TIDEMARK_CHECK_LT(i, count_);
    return slots_[(head_ + i) & (slots_.size() - 1)];
  }
  const T& operator[](size_t i) const {
    TIDEMARK_CHECK_LT(i, count_);
    return slots_[(head_ + i) & (slots_.size() - 1)];
  }
  T& front() { return (*this)[0]; }
  const T& front() const { return (*this)[0]; }
  T& back() { return (*this)[count_ - 1]; }
  const T& back() const { return (*this)[count_ - 1]; }

  void push_back(T value) {
    if (count_ == slots_.size()) Grow();
    slots_[(head_ + count_) & (slots_.size() - 1)] = std::move(value);
    ++count_;
  }
  // What is dropped gives up what it holds at once.
  void pop_front() {
    front() = T();
    head_ = (head_ + 1) & (slots_.size() - 1);
    --count_;
  }
  void pop_back() {
    back() = T();
    --count_;
  }
  void clear() {
    while (!empty()) pop_back();
  }

 private:
  void Grow() {
    std::vector<T> larger(slots_.empty() ? 16 : slots_.size() * 2);
    for (size_t i = 0; i < count_; ++i) larger[i] = std::move((*this)[i]);
    slots_ = std::move(larger);
    head_ = 0;
  }

  std::vector<T> slots_;  // a power of two, or none
  size_t head_ = 0;
  size_t count_ = 0;
};

}  // namespace tidemark
