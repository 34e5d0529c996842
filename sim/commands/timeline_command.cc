#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "sim/commands/command.h"
#include "sim/run.h"
#include "sim/scenario.h"
#include "sim/timeline/page.h"
#include "sim/timeline/timeline.h"

namespace tidemark::sim {
namespace {

bool WriteFile(const std::string& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return false;
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fclose(file) == 0 && written;
}

}  // namespace

int TimelineCommand(const Args& args) {
  uint64_t seed = 0;
  bool have_seed = false;
  std::string out;
  const absl::Status parsed = Flags()
                                  .Value("--seed",
                                         [&](const std::string& text) {
                                           have_seed = true;
                                           SeedRange range;
                                           absl::Status status = ParseSeeds(text, range);
                                           seed = range.first;
                                           return status;
                                         })
                                  .Text("-o", &out)
                                  .Parse(args);
  if (!parsed.ok()) return Usage(parsed);
  if (!have_seed) return Usage("which seed?");
  if (out.empty()) return Usage("-o wants the name of the page to write");

  Timeline timeline(true);
  PageTitle title{.run = absl::StrCat("seed ", seed),
                  .summary = ScenarioOf(seed).Summary(),
                  .replay = absl::StrCat("tidemark-sim replay --seed ", seed)};
  const auto write = [&] {
    if (WriteFile(out, Page(PageData(title, timeline)))) {
      std::printf("%s shows %zu marks\n", out.c_str(), timeline.marks().size());
      return true;
    }
    std::fprintf(stderr, "tidemark-sim: cannot write %s\n", out.c_str());
    return false;
  };
  SetLastWords([&](std::string_view check) {
    timeline.Finish("check", check);
    write();
    std::fflush(stdout);
  });
  const RunResult result = RunSeed(seed, nullptr, &timeline);
  SetLastWords({});
  title.hash = result.hash;
  std::printf("%s\n", result.Line().c_str());
  return write() && result.ok() ? 0 : 1;
}

}  // namespace tidemark::sim
