#pragma once

#include <utility>

// Ownership of one file descriptor.

namespace tidemark {

// Closes its descriptor exactly once; -1 owns nothing.
//   Lives   moved-from objects own nothing. Not thread-safe, like any value.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(std::exchange(other.fd_, -1));
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

  // Gives the descriptor away: the caller closes it.
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }

  // Closes the owned descriptor, if any, and takes over `fd`. errno is preserved. close(2) is never
  // retried: on Linux the number is free again even after EINTR.
  void Reset(int fd = -1);

 private:
  int fd_ = -1;
};

}  // namespace tidemark
