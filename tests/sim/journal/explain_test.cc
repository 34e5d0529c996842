#include "sim/journal/explain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <string>
#include <vector>

#include "tests/sim/journal/record_seed.h"

namespace tidemark::sim {
namespace {

// The lines of every life of several seeds, a failed sync and a pause among them.
const std::vector<std::string>& Stories() {
  static const std::vector<std::string>* const lines = [] {
    auto* all = new std::vector<std::string>;
    const auto told = [all](std::string_view what) {
      return std::any_of(all->begin(), all->end(), [&](const std::string& line) {
        return line.find(what) != std::string::npos;
      });
    };
    const auto enough = [&] {
      return told(": sync failed") && told("takes part again") && told("the process stood still");
    };
    for (uint64_t seed = 1; seed <= 5 || (!enough() && seed < 200); ++seed) {
      for (const NodeJournal& journal : RecordSeed(seed, Duration::Seconds(5))) {
        for (const std::string& run : journal.runs()) {
          Explainer explainer({.slow_flush = Duration::Millis(20)},
                              [&](const std::string& line) { all->push_back(line); });
          JournalReplay replay(&explainer);
          for (const journal::Frame& frame : FramesOf(run)) EXPECT_TRUE(replay.Feed(frame).ok());
          explainer.Finish();
        }
      }
    }
    return all;
  }();
  return *lines;
}

size_t Count(const std::string& pattern) {
  const std::regex regex(pattern);
  return static_cast<size_t>(
      std::count_if(Stories().begin(), Stories().end(),
                    [&](const std::string& line) { return std::regex_search(line, regex); }));
}

TEST(Explainer, EveryLineHasItsTimeAndStep) {
  EXPECT_EQ(Count(R"(^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z +\d+  \S)"), Stories().size());
}

TEST(Explainer, SaysWhyRolesChanged) {
  EXPECT_GT(
      Count(R"(pre-candidate in term \d+ \(was follower\): nothing heard of leader \d+ for )"), 0u);
  EXPECT_GT(Count(R"(pre-candidate in term \d+ .*: leader \d+ was lost .* ago, as the connection)"),
            0u);
  EXPECT_GT(Count(R"(candidate in term \d+ \(was pre-candidate\): pre-votes of \d)"), 0u);
  EXPECT_GT(Count(R"(leader in term \d+ \(was candidate\): votes of \d.* of [1-7] voters)"), 0u);
  EXPECT_EQ(Count(R"( of 0 voters)"), 0u);
  EXPECT_GT(Count(R"(follower of node \d+ in term \d+.*: node \d+ (leads|is in term \d+))"), 0u);
  EXPECT_GT(Count(R"(candidate in term \d+ \(was follower\): node \d+ hands leadership over)"), 0u);
  // A life that won an election says so in the end, and no other.
  EXPECT_EQ(Count(R"(leader in term \d+ \(was candidate\))") > 0,
            Count(R"(won [1-9]\d* elections)") > 0);
}

TEST(Explainer, SaysWhatClientsPeersAndTheDiskDid) {
  EXPECT_GT(Count(R"(asks to create topic \S+ of \d+ partitions)"), 0u);
  EXPECT_GT(Count(R"(done: create topic)"), 0u);
  EXPECT_GT(Count(R"(topic \S+ in .*: \d+ produced \(\d+ records)"), 0u);
  EXPECT_GT(Count(R"(\d+ fetches)"), 0u);
  EXPECT_GT(Count(R"(refuses to produce .*: NOT_LEADER)"), 0u);
  EXPECT_GT(Count(R"(the connection to node \d+ broke)"), 0u);
  EXPECT_GT(Count(R"(slow flush: .* took )"), 0u);
  EXPECT_GT(Count(R"(a flush of .* fails after .*: sync failed)"), 0u);
  EXPECT_GT(Count(R"(takes no part: )"), 0u);
  EXPECT_GT(Count(R"(takes part again)"), 0u);
  EXPECT_GT(Count(R"(the process stood still)"), 0u);
  EXPECT_GT(Count(R"(is asked to shut down)"), 0u);
}

}  // namespace
}  // namespace tidemark::sim
