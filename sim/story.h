#pragma once

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/base/time.h"

namespace tidemark::sim {

// What happened in a run, one line an event, for a person. Off unless it has a file.
class Story {
 public:
  explicit Story(std::FILE* out) : out_(out) {}

  bool on() const { return out_ != nullptr; }
  void SetTime(Instant now) { now_ = now; }

  template <typename... Parts>
  void Tell(const Parts&... parts) {
    if (!on()) return;
    const std::string text = absl::StrCat(parts...);
    std::fprintf(out_, "%9.6f  %s\n", static_cast<double>(now_.nanos()) / 1e9, text.c_str());
  }

 private:
  std::FILE* out_;
  Instant now_;
};

}  // namespace tidemark::sim
