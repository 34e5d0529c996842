#include "sim/commands/flags.h"

#include <gtest/gtest.h>

namespace tidemark::sim {
namespace {

TEST(Flags, GoWhereTheyWereDeclaredToGo) {
  bool verbose = false;
  uint64_t jobs = 1;
  std::string file;
  std::vector<std::string> rest;
  const absl::Status parsed = Flags()
                                  .Switch("--verbose", &verbose)
                                  .Number("--jobs", 1, &jobs)
                                  .Text("--trace", &file)
                                  .Rest(1, &rest)
                                  .Parse({"--jobs", "3", "a.json", "--verbose", "--trace", "-"});
  ASSERT_TRUE(parsed.ok()) << parsed;
  EXPECT_TRUE(verbose);
  EXPECT_EQ(jobs, 3u);
  EXPECT_EQ(file, "-");
  EXPECT_EQ(rest, std::vector<std::string>{"a.json"});
}

TEST(Flags, SayWhichOneIsWrong) {
  uint64_t jobs = 1;
  const auto parse = [&](const Args& args) {
    return std::string(Flags().Number("--jobs", 1, &jobs).Parse(args).message());
  };
  EXPECT_EQ(parse({"--nonsense"}), "do not understand --nonsense");
  EXPECT_EQ(parse({"stray"}), "do not understand stray");
  EXPECT_EQ(parse({"--jobs"}), "--jobs wants a value after it");
  EXPECT_EQ(parse({"--jobs", "0"}), "--jobs wants a whole number of at least 1, not \"0\"");
  EXPECT_EQ(parse({"--jobs", "x"}), "--jobs wants a whole number of at least 1, not \"x\"");
}

TEST(Flags, SeedsAreOneOrARange) {
  SeedRange seeds;
  EXPECT_TRUE(ParseSeeds("3..9", seeds).ok());
  EXPECT_EQ(seeds.first, 3u);
  EXPECT_EQ(seeds.last, 9u);
  EXPECT_TRUE(ParseSeeds("7", seeds).ok());
  EXPECT_EQ(seeds.first, 7u);
  EXPECT_EQ(seeds.last, 7u);
  for (const char* text : {"", "..", "1..", "..2", "9..3", "a..b", "1...2", "-1"}) {
    EXPECT_FALSE(ParseSeeds(text, seeds).ok()) << text;
  }
}

}  // namespace
}  // namespace tidemark::sim
