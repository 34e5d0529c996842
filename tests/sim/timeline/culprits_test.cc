#include "sim/timeline/culprits.h"

#include <gtest/gtest.h>

namespace tidemark::sim {
namespace {

using Culprits = std::vector<Culprit>;

TEST(Culprits, AreWhatTheSentencesOfOraclesName) {
  EXPECT_EQ(CulpritsIn("group 1: node 2 leads term 3 without the entry at index 298, committed in "
                       "term 2"),
            (Culprits{{"group", 1}, {"node", 2}, {"term", 3}, {"index", 298}, {"term", 2}}));
  EXPECT_EQ(CulpritsIn("group 0 has two leaders in term 3: nodes 11 and 21"),
            (Culprits{{"group", 0}, {"term", 3}, {"node", 11}, {"node", 21}}));
  EXPECT_EQ(CulpritsIn("group 1 index 2 (offset 0, term 1) is committed but durable on 2 of 5 "
                       "replicas only"),
            (Culprits{{"group", 1}, {"index", 2}, {"offset", 0}, {"term", 1}}));
  EXPECT_EQ(CulpritsIn("producer 8 was told that its batch 12 is at offset 40 of group 1, which is "
                       "not committed"),
            (Culprits{{"producer", 8}, {"batch", 12}, {"offset", 40}, {"group", 1}}));
}

TEST(Culprits, AreNamedOnce) {
  EXPECT_EQ(CulpritsIn("node 1 and node 1, index 4, index 4"),
            (Culprits{{"node", 1}, {"index", 4}}));
}

TEST(Culprits, AreNotMadeOfOtherWordsAndNumbers) {
  EXPECT_EQ(CulpritsIn("12000 ms after the last fault: the group of 3, reindex 7, offset_9"),
            Culprits{});
  EXPECT_EQ(CulpritsIn("index 99999999999999999999999"), Culprits{});
  EXPECT_EQ(CulpritsIn(""), Culprits{});
}

}  // namespace
}  // namespace tidemark::sim
