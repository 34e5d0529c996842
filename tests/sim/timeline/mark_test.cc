#include "sim/timeline/mark.h"

#include <gtest/gtest.h>

#include <set>
#include <string_view>

namespace tidemark::sim {
namespace {

TEST(Mark, EveryKindHasANameOfItsOwnThatCanBeTyped) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < static_cast<size_t>(MarkKind::kCount); ++i) {
    const MarkKind kind = static_cast<MarkKind>(i);
    EXPECT_TRUE(names.insert(NameOf(kind)).second) << NameOf(kind);
    EXPECT_EQ(NameOf(kind).find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), NameOf(kind).npos);
    EXPECT_FALSE(FamilyOf(kind).empty());
  }
}

TEST(Mark, EveryOutcomeHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < static_cast<size_t>(Outcome::kCount); ++i) {
    EXPECT_TRUE(names.insert(NameOf(static_cast<Outcome>(i))).second);
  }
}

}  // namespace
}  // namespace tidemark::sim
