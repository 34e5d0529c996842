#include "tests/scenario/raft/words.h"

#include <gtest/gtest.h>

namespace tidemark::scenario {
namespace {

using List = std::vector<std::string>;

TEST(Words, SignsAreWordsWithoutBlanksAroundThem) {
  EXPECT_EQ(Words("deliver 1->2").TakeRest(), (List{"deliver", "1", "->", "2"}));
  EXPECT_EQ(Words("cut 1 2|3").TakeRest(), (List{"cut", "1", "2", "|", "3"}));
  EXPECT_EQ(Words("propose at 1: a b").TakeRest(), (List{"propose", "at", "1", ":", "a", "b"}));
  EXPECT_EQ(Words("  pre-vote?\t").TakeRest(), (List{"pre-vote?"}));
}

TEST(Words, AreTakenFromTheFrontAndOnlyIfTheyFit) {
  Words words("2 times out 7");
  EXPECT_FALSE(words.TakeIf("times out"));
  EXPECT_EQ(words.TakeNode(), NodeId{2});
  EXPECT_FALSE(words.TakeIf("times up"));
  EXPECT_TRUE(words.TakeIf("times out"));
  EXPECT_EQ(words.TakeNumber(), 7u);
  EXPECT_TRUE(words.empty());
  EXPECT_FALSE(words.TakeNumber().has_value());
}

TEST(Words, ANumberIsAllDigitsAndFits) {
  EXPECT_FALSE(Words("7x").TakeNumber().has_value());
  EXPECT_FALSE(Words("-7").TakeNumber().has_value());
  EXPECT_FALSE(Words("99999999999999999999").TakeNumber().has_value());
}

TEST(Nearest, NamesAtMostThreeAndTheNearestFirst) {
  const List known = {"sync", "settle", "set", "start", "show", "snapshot"};
  EXPECT_EQ(Nearest("setle", known).front(), "settle");
  EXPECT_EQ(Nearest("snyc", known).front(), "sync");
  EXPECT_LE(Nearest("st", known).size(), 3u);
  EXPECT_EQ(Nearest("elephant", known), List{});
}

}  // namespace
}  // namespace tidemark::scenario
