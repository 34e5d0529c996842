#include "sim/decision_log.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace tidemark::sim {
namespace {

TEST(DecisionLog, OutlivesTheProcessThatWroteIt) {
  DecisionLog log;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    log.Add({.site = Site::kMessageLost, .actor = 3, .count = 4});
    log.Add({.site = Site::kFaultKind, .actor = 0, .count = 0, .value = 2});
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  ASSERT_EQ(log.decisions().size(), 2u);
  EXPECT_TRUE(log.complete());
  EXPECT_EQ(log.decisions()[0].count, 4u);
  EXPECT_EQ(log.decisions()[1].value, 2);
  log.Clear();
  EXPECT_TRUE(log.decisions().empty());
}

}  // namespace
}  // namespace tidemark::sim
