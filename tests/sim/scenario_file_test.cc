#include "sim/scenario_file.h"

#include <gtest/gtest.h>

#include "sim/run.h"

namespace tidemark::sim {
namespace {

std::string Refusal(std::string_view text) {
  return std::string(ParseScenario(text).status().message());
}

std::string WithFormat(std::string_view rest) {
  return "{\"format\": \"tidemark-scenario-1\",\n" + std::string(rest) + "}";
}

TEST(ScenarioFile, WhatIsWrittenIsReadBack) {
  for (const Profile profile : kProfiles) {
    for (uint64_t seed = 0; seed < 100; ++seed) {
      ScenarioFile file{.plan = PlanOf(seed, profile)};
      const std::string text = FormatScenario(file);
      const absl::StatusOr<ScenarioFile> read = ParseScenario(text);
      ASSERT_TRUE(read.ok()) << read.status() << "\n" << text;
      EXPECT_EQ(FormatScenario(*read), text);
      EXPECT_EQ(read->plan.seed, seed);
      EXPECT_FALSE(read->plan.script.has_value());
    }
  }
}

TEST(ScenarioFile, ARunThatIsWrittenDownIsThatRunAgain) {
  DecisionLog log;
  const RunResult seeded = RunSeed(12, {.log = &log});
  ScenarioFile file{.plan = PlanOf(12), .hash = seeded.hash, .version = "1"};
  file.plan.script.emplace(log.decisions().begin(), log.decisions().end());
  const absl::StatusOr<ScenarioFile> read = ParseScenario(FormatScenario(file));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->plan.script->size(), log.decisions().size());
  EXPECT_EQ(read->hash, seeded.hash);
  const RunResult recorded = RunPlan(read->plan);
  EXPECT_EQ(recorded.hash, seeded.hash);
  EXPECT_EQ(recorded.tasks, seeded.tasks);
}

TEST(ScenarioFile, WhatItLeavesOutIsPlain) {
  const absl::StatusOr<ScenarioFile> read =
      ParseScenario(WithFormat("\"network\": {\"latency_max\": \"2ms\"}, \"decisions\": {}"));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->plan.scenario.latency_max, Duration::Millis(2));
  EXPECT_EQ(read->plan.scenario.nodes.size(), 3u);
  ASSERT_TRUE(read->plan.script.has_value());
  EXPECT_TRUE(read->plan.script->empty());
}

TEST(ScenarioFile, DecisionsAreCountsWithValuesWhereTheyHaveSome) {
  const absl::StatusOr<ScenarioFile> read = ParseScenario(WithFormat(
      "\"decisions\": {\"message_lost\": {\"3\": \"17 40\"},\n"
      "\"fault_kind\": {\"0\": [\"0=partition\"]}, \"clock_rate\": {\"1\": \"0=-200\"}}"));
  ASSERT_TRUE(read.ok()) << read.status();
  const std::vector<Decision> expected = {
      {.site = Site::kMessageLost, .actor = 3, .count = 17},
      {.site = Site::kMessageLost, .actor = 3, .count = 40},
      {.site = Site::kFaultKind, .actor = 0, .count = 0, .value = 6},
      {.site = Site::kClockRate, .actor = 1, .count = 0, .value = -200},
  };
  EXPECT_EQ(*read->plan.script, expected);
}

TEST(ScenarioFile, WhatItDoesNotKnowIsRefusedByNameAndLine) {
  EXPECT_EQ(Refusal("{}"), "line 1: format must be \"tidemark-scenario-1\"");
  EXPECT_EQ(Refusal(WithFormat("\"sead\": 1")), "line 2: does not know sead");
  EXPECT_EQ(Refusal(WithFormat("\"network\": {\n\"latncy_min\": \"1ms\"}")),
            "line 3: does not know network.latncy_min");
  EXPECT_EQ(Refusal(WithFormat("\"cluster\": 7")), "line 2: cluster wants {...}");
  EXPECT_EQ(Refusal(WithFormat("\"profile\": \"sworm\"")),
            "line 2: no profile is named \"sworm\"; there are swarm, crash, disk, network, "
            "membership, everything and uptime");
  EXPECT_EQ(Refusal(WithFormat("\"outcome\": {\"mood\": 1}")),
            "line 2: does not know outcome.mood");
  EXPECT_EQ(Refusal(WithFormat("\"decisions\": {\"message_found\": {}}")),
            "line 2: nothing is decided at a site named message_found");
}

TEST(ScenarioFile, ValuesOfTheWrongKindAreRefusedWithWhatIsWanted) {
  EXPECT_EQ(Refusal(WithFormat("\"seed\": -1")),
            "line 2: seed wants a whole number that is not negative");
  EXPECT_EQ(Refusal(WithFormat("\"cluster\": {\"pre_vote\": 1}")),
            "line 2: pre_vote wants true or false");
  EXPECT_EQ(Refusal(WithFormat("\"cluster\": {\"nodes\": 3}")),
            "line 2: nodes wants a list of ids");
  EXPECT_EQ(Refusal(WithFormat("\"network\": {\"latency_min\": 5}")),
            "line 2: latency_min wants a time like \"150ms\"");
  EXPECT_EQ(Refusal(WithFormat("\"network\": {\"latency_min\": \"5m\"}")),
            "line 2: latency_min wants a time like \"150ms\"");
  EXPECT_EQ(Refusal(WithFormat("\"network\": {\"message_lost\": 2000000}")),
            "message_lost is 2000000; must be 0 to 1000000");
  EXPECT_EQ(Refusal(WithFormat("\"decisions\": {\"fault_kind\": {\"0\": \"0=flood\"}}")),
            "line 2: does not understand \"0=flood\" of fault_kind; wants COUNT or COUNT=VALUE");
  EXPECT_EQ(Refusal(WithFormat("\"decisions\": {\"message_lost\": {\"x\": \"1\"}}")),
            "line 2: actor \"x\" of message_lost is not a number below 1048576");
}

TEST(ScenarioFile, TimesAreInTheLargestUnitThatSaysThemExactly) {
  for (const auto& [nanos, text] :
       std::initializer_list<std::pair<int64_t, const char*>>{{0, "0s"},
                                                              {1, "1ns"},
                                                              {33'333'333, "33333333ns"},
                                                              {150'000'000, "150ms"},
                                                              {12'000'000'000, "12s"},
                                                              {250'000, "250us"}}) {
    EXPECT_EQ(DurationText(Duration::Nanos(nanos)), text);
    EXPECT_EQ(ParseDuration(text), Duration::Nanos(nanos));
  }
  for (const char* text :
       {"", "ms", "5", "5 ms", "-5ms", "99999999999999999999s", "9999999999999s"}) {
    EXPECT_EQ(ParseDuration(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace tidemark::sim
