#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sim/timeline/timeline.h"

namespace tidemark::sim {

// What a page says about its run besides what happened in it.
struct PageTitle {
  std::string run;      // "seed 7"
  std::string summary;  // the scenario, in one line
  std::string replay;   // the command that runs it again
  uint64_t hash = 0;    // of the trace
};

// The timeline as the JSON that page/data.js reads: the tables (lanes, groups, kinds, outcomes,
// texts) once, then one column (columns.h) for each field of Mark. Safe inside <script>: it has no
// '<' and is ASCII.
std::string PageData(const PageTitle& title, const Timeline& timeline);

// One HTML document that needs nothing else, neither network nor files: page/ with `data` in it.
//   Shape   `data` is what PageData gives.
std::string Page(std::string_view data);

}  // namespace tidemark::sim
