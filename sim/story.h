#pragma once

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/base/time.h"
#include "sim/timeline/timeline.h"

namespace tidemark::sim {

// What happened in a run, for a person: one line an event, off unless it has a file, and, as data,
// the timeline, off unless it is given.
class Story {
 public:
  explicit Story(std::FILE* out, Timeline* timeline = nullptr) : out_(out), timeline_(timeline) {}
  Story(const Story&) = delete;
  Story& operator=(const Story&) = delete;

  bool on() const { return out_ != nullptr; }
  Timeline& timeline() { return timeline_ == nullptr ? no_timeline_ : *timeline_; }
  void SetTime(Instant now) { now_ = now; }

  template <typename... Parts>
  void Tell(const Parts&... parts) {
    if (!on()) return;
    const std::string text = absl::StrCat(parts...);
    std::fprintf(out_, "%9.6f  %s\n", static_cast<double>(now_.nanos()) / 1e9, text.c_str());
  }

 private:
  std::FILE* out_;
  Timeline* timeline_;
  Timeline no_timeline_;
  Instant now_;
};

}  // namespace tidemark::sim
