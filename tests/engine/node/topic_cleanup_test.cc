#include "engine/node/topic_cleanup.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/base/limits.h"

namespace tidemark {
namespace {

std::string Problem(const TopicCleanup& cleanup, bool has_retention) {
  return std::string(CheckCleanup(cleanup, has_retention).message());
}

TEST(TopicCleanup, EachPolicyIsGoodWithWhatItUses) {
  EXPECT_TRUE(CheckCleanup({}, false).ok());
  EXPECT_TRUE(CheckCleanup({}, true).ok());
  EXPECT_TRUE(CheckCleanup({Cleanup::kCompact, 1, kRetentionMillisMax}, false).ok());
  EXPECT_TRUE(CheckCleanup({Cleanup::kCompactAndDelete, 0, 0}, true).ok());
}

TEST(TopicCleanup, WhatAPolicyDoesNotUseIsRefusedByName) {
  EXPECT_NE(Problem({Cleanup::kCompact, 0, 0}, true).find("compact,delete"), std::string::npos);
  EXPECT_NE(Problem({Cleanup::kDelete, 1, 0}, false).find("min_compaction_lag_ms"),
            std::string::npos);
  EXPECT_NE(Problem({Cleanup::kDelete, 0, 1}, false).find("tombstone_retention_ms"),
            std::string::npos);
}

TEST(TopicCleanup, UnknownPoliciesAndTimesBeyondAHundredYearsAreRefused) {
  EXPECT_NE(Problem({static_cast<Cleanup>(3), 0, 0}, false).find("cleanup_policy"),
            std::string::npos);
  EXPECT_NE(Problem({Cleanup::kCompact, 0, kRetentionMillisMax + 1}, false).find("100 years"),
            std::string::npos);
}

}  // namespace
}  // namespace tidemark
