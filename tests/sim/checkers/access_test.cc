#include "sim/checkers/access.h"

#include <gtest/gtest.h>

namespace tidemark::sim {
namespace {

RpcError Denied() {
  return {.code = absl::StatusCode::kPermissionDenied,
          .reason = "PERMISSION_DENIED",
          .message = "no",
          .metadata = {{"principal", "mallory"}, {"object", "topic:t"}, {"action", "consume"}}};
}

TEST(Access, ARefusalAnEmptyListAndSilenceAreAccepted) {
  Verdict verdict;
  Access access(&verdict);
  access.OnAnswer("mallory", "fetch from", "topic:t", Denied());
  access.OnAnswer("mallory", "list", "topics", ListTopicsResponse{});
  access.OnAnswer("mallory", "describe", "topic:t",
                  RpcError{.code = absl::StatusCode::kUnavailable, .message = "no answer"});
  EXPECT_TRUE(verdict.ok());
  EXPECT_EQ(access.denied(), 1u);
}

TEST(Access, AnAnswerIsNot) {
  Verdict verdict;
  Access access(&verdict);
  access.OnAnswer("mallory", "delete", "topic:t", DeleteTopicResponse{});
  EXPECT_EQ(verdict.oracle(), "access");
}

TEST(Access, ANameInAListIsNot) {
  Verdict verdict;
  Access access(&verdict);
  access.OnAnswer("mallory", "list", "topics", ListTopicsResponse{{TopicInfo{.name = "t"}}});
  EXPECT_EQ(verdict.oracle(), "access");
}

TEST(Access, ARefusalThatTellsWhatIsThereIsNot) {
  Verdict verdict;
  Access access(&verdict);
  access.OnAnswer("mallory", "describe", "topic:t",
                  RpcError{.code = absl::StatusCode::kNotFound, .reason = "TOPIC_NOT_FOUND"});
  EXPECT_EQ(verdict.oracle(), "access");
}

TEST(Access, ARefusalThatNamesTheLeaderIsNot) {
  Verdict verdict;
  Access access(&verdict);
  RpcError error = Denied();
  error.metadata["leader_id"] = "2";
  access.OnAnswer("mallory", "fetch from", "topic:t", error);
  EXPECT_EQ(verdict.oracle(), "access");
}

}  // namespace
}  // namespace tidemark::sim
