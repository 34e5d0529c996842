#include "runtime/base/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "runtime/base/clock.h"
#include "runtime/base/random.h"

namespace tidemark {
namespace {

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
int OpenNull() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

TEST(UniqueFd, ClosesOnceWhenItsOwnerGoes) {
  int raw;
  {
    UniqueFd fd(OpenNull());
    raw = fd.get();
    UniqueFd moved(std::move(fd));
    EXPECT_FALSE(fd.valid());
    EXPECT_TRUE(IsOpen(raw));
  }
  EXPECT_FALSE(IsOpen(raw));
}

TEST(UniqueFd, ReleaseGivesTheDescriptorAwayAndResetKeepsErrno) {
  UniqueFd fd(OpenNull());
  const int raw = fd.Release();
  EXPECT_TRUE(IsOpen(raw));
  errno = ENOENT;
  UniqueFd(raw).Reset();
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(IsOpen(raw));
}

TEST(Clock, MonotonicTimeNeverStepsBackAndWallTimeIsThisCentury) {
  const Instant first = MonotonicNow();
  EXPECT_LE(first, MonotonicNow());
  EXPECT_GT(WallNow().millis(), 1'600'000'000'000);
}

TEST(SecureRandom, TwoDrawsDiffer) { EXPECT_NE(SecureRandom64(), SecureRandom64()); }

}  // namespace
}  // namespace tidemark
