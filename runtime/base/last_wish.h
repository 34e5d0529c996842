#pragma once

#include <functional>

namespace tidemark {

// What is still done when a check fails, just before the process ends: it must not wait for long
// nor for the thread that failed. At most one at a time; an empty function takes it back.
void SetLastWish(std::function<void()> wish);

// Runs it, once. Any thread; called by CheckFailed (check.cc).
void RunLastWish();

}  // namespace tidemark
