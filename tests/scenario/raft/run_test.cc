#include "tests/scenario/raft/run.h"

#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/scenario/raft/script.h"

namespace tidemark::scenario {
namespace {

constexpr char kBare[] =
    "# One leader.\n"
    "nodes 2\n"
    "start\n"
    "1 times out\n"
    "settle\n"
    "must 1 lead\n";

std::vector<std::filesystem::path> AllScenarios() {
  const char* source = std::getenv("TIDEMARK_SOURCE_DIR");
  std::vector<std::filesystem::path> files;
  const std::filesystem::path folder =
      std::filesystem::path(source == nullptr ? "." : source) / "tests/scenario/raft";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".scenario") files.push_back(entry.path());
  }
  return files;
}

std::string Read(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

TEST(RunScenario, WhatItRecordsIsWhatTheNextRunExpects) {
  const Outcome first = RunScenario("f", kBare);
  EXPECT_EQ(first.kind, Outcome::Kind::kDiffers);
  const Outcome second = RunScenario("f", first.recorded);
  EXPECT_EQ(second.kind, Outcome::Kind::kAsExpected) << second.report;
  EXPECT_EQ(second.recorded, first.recorded);
  EXPECT_EQ(second.report, "");
}

TEST(RunScenario, EveryLineThatIsExpectedMatters) {
  std::vector<Step> steps = ParseScript(RunScenario("f", kBare).recorded);
  size_t lines = 0;
  for (Step& step : steps) {
    for (std::string& line : step.output) {
      const std::string right = std::exchange(line, line + "x");
      const Outcome outcome = RunScenario("f", RenderScript(steps));
      EXPECT_EQ(outcome.kind, Outcome::Kind::kDiffers) << right;
      EXPECT_NE(outcome.report.find("-  " + right + "x\n+  " + right + "\n"), std::string::npos)
          << outcome.report;
      line = right;
      ++lines;
    }
  }
  EXPECT_GT(lines, 5u);
}

TEST(RunScenario, ARequirementThatDoesNotHoldIsNotRecorded) {
  const Outcome outcome = RunScenario("f", std::string(kBare) + "must 2 lead\nsettle\n");
  EXPECT_EQ(outcome.kind, Outcome::Kind::kBroken);
  EXPECT_EQ(outcome.recorded, "");
  EXPECT_NE(outcome.report.find("\nf:7: must 2 lead: it does not hold: 2 follows 1"),
            std::string::npos)
      << outcome.report;
}

TEST(RunScenario, AStatementThatIsNotUnderstoodIsNamedWithItsLine) {
  const Outcome outcome = RunScenario("f", "nodes 2\nstrat\n");
  EXPECT_EQ(outcome.kind, Outcome::Kind::kUnreadable);
  EXPECT_EQ(outcome.report.find("f:2: strat: no statement is `strat`; near it are: "), 0u)
      << outcome.report;
}

// The files themselves are tests of their own; this is about how they are written.
TEST(Scenarios, EachSaysWhatItIsAboutAndRequiresIt) {
  const std::vector<std::filesystem::path> files = AllScenarios();
  EXPECT_GT(files.size(), 40u);
  for (const std::filesystem::path& file : files) {
    const std::string text = Read(file);
    EXPECT_TRUE(text.starts_with("# ")) << file;
    EXPECT_NE(text.find("\nmust "), std::string::npos) << file;
  }
}

TEST(Scenarios, EachRowsFileIsInTheTableAndWhatTheTableNamesIsThere) {
  const char* source = std::getenv("TIDEMARK_SOURCE_DIR");
  const std::filesystem::path tests =
      std::filesystem::path(source == nullptr ? "." : source) / "tests";
  const std::string table = Read(tests / "scenario/README.md");
  for (const std::filesystem::path& file : AllScenarios()) {
    const std::string name = file.stem();
    if (name.starts_with("thesis_")) continue;
    EXPECT_NE(table.find("`raft/" + name + "`"), std::string::npos) << name;
  }
  size_t named = 0;
  for (size_t begin = table.find('`'); begin != std::string::npos; begin = table.find('`', begin)) {
    const size_t end = table.find('`', begin + 1);
    const std::string name = table.substr(begin + 1, end - begin - 1);
    begin = end + 1;
    if (name.find('/') == std::string::npos || name.find_first_of(".*") != std::string::npos)
      continue;
    ++named;
    const auto is_there = [&](const std::string& path) {
      return std::filesystem::exists(tests / path);
    };
    EXPECT_TRUE(is_there("scenario/" + name + ".scenario") || is_there(name + ".cc") ||
                is_there(name + ".py") || is_there(name) || is_there("../" + name))
        << name;
  }
  EXPECT_GT(named, 60u);
}

TEST(Scenarios, FileNamesBeginWithTheSectionOrRowOfTheTitle) {
  for (const std::filesystem::path& file : AllScenarios()) {
    const std::string name = file.stem();
    std::string title = Read(file);
    title.resize(std::min(title.find('\n'), title.size()));
    std::string wanted;
    if (name.starts_with("thesis_")) {
      wanted = "Thesis ";
      for (size_t i = 7; i < name.size() && (std::isdigit(name[i]) || name[i] == '_'); ++i) {
        if (name[i] == '_' && !std::isdigit(name[i + 1])) break;
        wanted += name[i] == '_' ? '.' : name[i];
      }
    } else if (name[0] == 'r' && std::isdigit(name[1])) {
      wanted = "SCENARIOS R" + std::to_string(std::stoi(name.substr(1)));
    }
    EXPECT_NE(title.find(wanted), std::string::npos) << file << " is about " << wanted;
  }
}

}  // namespace
}  // namespace tidemark::scenario
