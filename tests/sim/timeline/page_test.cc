#include "sim/timeline/page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "sim/scheduler.h"

namespace tidemark::sim {
namespace {

constexpr GroupId kGroup{3};
constexpr NodeId kA{1};

std::string DataOf(std::string_view note, std::string_view oracle, std::string_view what) {
  Scheduler clock;
  Timeline timeline(true);
  timeline.Begin(&clock, {kA});
  timeline.OnNode(MarkKind::kNote, 0, note);
  timeline.Cut(kA, kGroup, LogIndex{7}, 2);
  timeline.Finish(oracle, what);
  return PageData({.run = "seed 1", .summary = "s", .replay = "r", .hash = 0xab}, timeline);
}

TEST(PageData, IsSafeInsideAScriptWhateverTheTextsHold) {
  const std::string data = DataOf("</script>\"\\\n\x01\xff <b>", "", "");
  EXPECT_TRUE(std::all_of(data.begin(), data.end(),
                          [](char c) { return c >= 0x20 && c < 0x7f && c != '<'; }));
  EXPECT_TRUE(absl::StrContains(data, R"(\u003c/script>\"\\\u000a\u0001\u00ff)"));
}

TEST(PageData, NamesWhatTheVerdictIsAbout) {
  const std::string data = DataOf("n", "log_matching", "group 3 index 7 term 2: node 1 differs");
  EXPECT_TRUE(absl::StrContains(data, "\"oracle\":\"log_matching\""));
  EXPECT_TRUE(absl::StrContains(
      data, "\"culprits\":[[\"group\",3],[\"index\",7],[\"term\",2],[\"node\",1]]"));
  EXPECT_TRUE(absl::StrContains(data, "\"count\":3"));
  EXPECT_TRUE(absl::StrContains(data, "\"hash\":\"00000000000000ab\""));
}

TEST(Page, HoldsEverythingAndRefersToNothing) {
  const std::string data = DataOf("@style@ stays", "", "");
  const std::string page = Page(data);
  EXPECT_TRUE(absl::StrContains(page, data));
  for (const char* place : {"@script@", "@data@"}) EXPECT_FALSE(absl::StrContains(page, place));
  for (const char* outside : {"http:", "https:", "src=", "url(", "@import", "<link"}) {
    EXPECT_FALSE(absl::StrContains(page, outside)) << outside;
  }
  // The scripts came along, the last one too.
  EXPECT_TRUE(absl::StrContains(page, "window.timeline ="));
}

}  // namespace
}  // namespace tidemark::sim
