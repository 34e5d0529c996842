#include "sim/site.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace tidemark::sim {
namespace {

TEST(Site, EachHasItsOwnNameAndIsFoundByIt) {
  std::set<std::string> names;
  for (size_t i = 0; i < kSites; ++i) {
    const Site site = static_cast<Site>(i);
    names.insert(std::string(NameOf(site)));
    EXPECT_EQ(SiteOf(NameOf(site)), site);
  }
  EXPECT_EQ(names.size(), kSites);
  EXPECT_FALSE(names.contains(""));
  EXPECT_EQ(SiteOf("message_found"), std::nullopt);
}

TEST(Site, AStreamBelongsToASiteOfItsOwn) {
  for (size_t i = 0; i < kSites; ++i) {
    const Site stream = StreamOf(static_cast<Site>(i));
    EXPECT_EQ(StreamOf(stream), stream);
  }
}

TEST(Site, ValuesAreReadBackAsTheyAreWritten) {
  for (size_t i = 0; i < kSites; ++i) {
    const Site site = static_cast<Site>(i);
    for (const int64_t value : {int64_t{0}, int64_t{1}, int64_t{2}}) {
      EXPECT_EQ(ParseValue(site, ValueText(site, value)), value) << NameOf(site);
    }
  }
  EXPECT_EQ(ValueText(Site::kFaultKind, 6), "partition");
  EXPECT_EQ(ValueText(Site::kClockRate, -200), "-200");
  EXPECT_EQ(ParseValue(Site::kClockRate, "-200"), -200);
  EXPECT_EQ(ValueText(Site::kNodeSeed, -1), "xffffffffffffffff");
  EXPECT_EQ(ParseValue(Site::kNodeSeed, "xffffffffffffffff"), -1);
}

TEST(Site, ValuesThatAreNoneAreRefused) {
  EXPECT_EQ(ParseValue(Site::kFaultKind, "earthquake"), std::nullopt);
  EXPECT_EQ(ParseValue(Site::kFaultKind, "6"), std::nullopt);
  EXPECT_EQ(ParseValue(Site::kMessageLatency, "soon"), std::nullopt);
  EXPECT_EQ(ParseValue(Site::kMessageLatency, ""), std::nullopt);
  EXPECT_EQ(ParseValue(Site::kNodeSeed, "17"), std::nullopt);
  EXPECT_EQ(ParseValue(Site::kNodeSeed, "x10000000000000000"), std::nullopt);
}

TEST(Site, DecisionsAreDescribedByWhatTheyAreAbout) {
  EXPECT_EQ(Describe({.site = Site::kMessageLost, .actor = 3, .count = 17}),
            "message_lost actor 3 count 17");
  EXPECT_EQ(Describe({.site = Site::kFaultKind, .actor = 0, .count = 0, .value = 6}),
            "fault_kind actor 0 count 0: partition");
}

}  // namespace
}  // namespace tidemark::sim
