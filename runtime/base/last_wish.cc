#include "runtime/base/last_wish.h"

#include <mutex>
#include <utility>

namespace tidemark {
namespace {

std::mutex mutex;
std::function<void()>& Wish() {
  static auto* const wish = new std::function<void()>;
  return *wish;
}

}  // namespace

void SetLastWish(std::function<void()> wish) {
  const std::lock_guard<std::mutex> hold(mutex);
  Wish() = std::move(wish);
}

void RunLastWish() {
  std::function<void()> wish;
  {
    const std::lock_guard<std::mutex> hold(mutex);
    wish = std::exchange(Wish(), nullptr);
  }
  if (wish) wish();
}

}  // namespace tidemark
