#include "runtime/base/log.h"

#include <gtest/gtest.h>

#include <string>

namespace tidemark {
namespace {

constexpr WallTime kTime = WallTime::FromMillis(1'767'323'045'678);

template <typename Value>
std::string Line(LogFormat format, const Value& value) {
  return FormatLogLine(format, kTime, LogLevel::kInfo, "e", {{"k", value}});
}

TEST(Log, WritesOneLogfmtLineWithTimeLevelEventAndFields) {
  EXPECT_EQ(FormatLogLine(LogFormat::kLogfmt, kTime, LogLevel::kWarning, "peer_down",
                          {{"node", NodeId(3)}, {"reason", "closed by peer"}, {"tls", true}}),
            "time=2026-01-02T03:04:05.678Z level=warning event=peer_down node=3 "
            "reason=\"closed by peer\" tls=true");
}

TEST(Log, JsonKeepsNumbersAndBooleansBare) {
  EXPECT_EQ(FormatLogLine(LogFormat::kJson, kTime, LogLevel::kError, "x",
                          {{"n", -5}, {"t", false}, {"s", "5"}}),
            "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"error\",\"event\":\"x\",\"n\":-5,"
            "\"t\":false,\"s\":\"5\"}");
}

TEST(Log, HostileValueCannotForgeALineOrAKeyOrReachTheTerminal) {
  for (const LogFormat format : {LogFormat::kLogfmt, LogFormat::kJson}) {
    const std::string line = Line(format, "a\nlevel=error\x1b[2J\x7f \"q\" \\ \xff \xc2\x9b");
    for (const char c : line) EXPECT_GE(c, ' ') << line;
    EXPECT_NE(line.find("\"a\\nlevel=error\\u001b[2J\\u007f \\\"q\\\" \\\\ \\u00ff \\u009b\""),
              std::string::npos)
        << line;
  }
}

TEST(Log, QuotesOnlyValuesThatNeedIt) {
  EXPECT_TRUE(Line(LogFormat::kLogfmt, "plain/value:1").ends_with(" k=plain/value:1"));
  EXPECT_TRUE(Line(LogFormat::kLogfmt, "").ends_with(" k=\"\""));
  EXPECT_TRUE(Line(LogFormat::kLogfmt, "a=b").ends_with(" k=\"a=b\""));
  EXPECT_TRUE(Line(LogFormat::kLogfmt, "größe").ends_with(" k=\"größe\""));
  EXPECT_TRUE(Line(LogFormat::kLogfmt, "\xe0\x80\x80").ends_with("\"\\u00e0\\u0080\\u0080\""));
}

TEST(Log, TimesBeforeTheEpochAndWithShortMillisecondsAreRight) {
  EXPECT_EQ(FormatRfc3339(WallTime::FromMillis(-1)), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(FormatRfc3339(WallTime::FromMillis(7)), "1970-01-01T00:00:00.007Z");
}

TEST(Log, ThresholdDecidesWhatIsWritten) {
  ConfigureLog(LogLevel::kWarning, LogFormat::kLogfmt);
  EXPECT_FALSE(LogEnabled(LogLevel::kInfo));
  EXPECT_TRUE(LogEnabled(LogLevel::kWarning));
  testing::internal::CaptureStderr();
  Log(LogLevel::kInfo, "hidden");
  Log(LogLevel::kError, "shown", {{"code", 7}});
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_EQ(written.find("hidden"), std::string::npos);
  EXPECT_NE(written.find("level=error event=shown code=7\n"), std::string::npos);
  ConfigureLog(LogLevel::kOff, LogFormat::kLogfmt);
  EXPECT_FALSE(LogEnabled(LogLevel::kError));
  EXPECT_FALSE(LogEnabled(LogLevel::kOff));
  ConfigureLog(LogLevel::kInfo, LogFormat::kLogfmt);
}

TEST(Log, TextsAreWrittenEachUnderItsKeyHoweverMany) {
  ConfigureLog(LogLevel::kInfo, LogFormat::kLogfmt);
  testing::internal::CaptureStderr();
  const std::vector<std::pair<std::string, std::string>> fields = {
      {"a", "1"}, {"b", "two words"}, {"c", "3"}, {"d", "4"}, {"e", "5"}, {"f", "6"}};
  LogTexts(LogLevel::kInfo, "many", fields);
  LogTexts(LogLevel::kDebug, "hidden", fields);
  ConfigureLog(LogLevel::kInfo, LogFormat::kJson);
  LogTexts(LogLevel::kInfo, "json", fields);
  ConfigureLog(LogLevel::kInfo, LogFormat::kLogfmt);
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_NE(written.find("event=many a=1 b=\"two words\" c=3 d=4 e=5 f=6\n"), std::string::npos);
  EXPECT_NE(written.find("\"e\":\"5\",\"f\":\"6\"}\n"), std::string::npos);
  EXPECT_EQ(written.find("hidden"), std::string::npos);
}

TEST(Log, NamesOfLevelsAndFormatsAreReadStrictly) {
  EXPECT_EQ(ParseLogLevel("debug"), LogLevel::kDebug);
  EXPECT_EQ(ParseLogLevel("Debug"), std::nullopt);
  EXPECT_EQ(ParseLogFormat("json"), LogFormat::kJson);
  EXPECT_EQ(ParseLogFormat("xml"), std::nullopt);
}

TEST(LogRateLimit, LetsOneThroughPerIntervalAndCountsTheRest) {
  LogRateLimit limit(Duration::Seconds(1));
  uint64_t suppressed = 99;
  EXPECT_TRUE(limit.Allow(Instant::FromNanos(5), suppressed));
  EXPECT_EQ(suppressed, 0u);
  EXPECT_FALSE(limit.Allow(Instant::FromNanos(6), suppressed));
  EXPECT_FALSE(limit.Allow(Instant::FromNanos(1'000'000'004), suppressed));
  EXPECT_TRUE(limit.Allow(Instant::FromNanos(1'000'000'005), suppressed));
  EXPECT_EQ(suppressed, 2u);
}

}  // namespace
}  // namespace tidemark
