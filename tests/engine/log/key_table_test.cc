#include "engine/log/key_table.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "engine/base/limits.h"
#include "engine/base/prng.h"

namespace tidemark {
namespace {

constexpr KeySeed kSeed{.first = 1, .second = 2};

// The first vectors of the reference implementation (vectors.h, vectors_sip128), also what
// `openssl mac -macopt hexkey:000102030405060708090a0b0c0d0e0f -macopt size:16 SIPHASH` prints.
TEST(KeyHash, IsSipHashWith128BitsOfOutput) {
  constexpr KeySeed kReferenceSeed{.first = 0x0706050403020100, .second = 0x0f0e0d0c0b0a0908};
  EXPECT_EQ(HashKey(kReferenceSeed, ""),
            (KeyHash{.low = 0xe6a825ba047f81a3, .high = 0x930255c71472f66d}));
  EXPECT_EQ(HashKey(kReferenceSeed, std::string_view("\0", 1)),
            (KeyHash{.low = 0x44af996bd8c187da, .high = 0x45fc229b11597634}));
  std::string eighteen;
  for (char c = 0; c < 18; ++c) eighteen.push_back(c);
  EXPECT_EQ(HashKey(kReferenceSeed, eighteen),
            (KeyHash{.low = 0x8548bf23e4e526a4, .high = 0x23f7aefe81a44d29}));
}

TEST(KeyHash, DependsOnTheSeedAndOnTrailingZeros) {
  EXPECT_NE(HashKey(kSeed, "key"), HashKey({.first = 1, .second = 3}, "key"));
  EXPECT_NE(HashKey(kSeed, std::string(3, '\0')), HashKey(kSeed, std::string(4, '\0')));
}

TEST(KeyTable, FindsTheLastOffsetOfEachKey) {
  KeyTable table(10);
  EXPECT_FALSE(table.Find(HashKey(kSeed, "a")).has_value());
  ASSERT_TRUE(table.Put(HashKey(kSeed, "a"), Offset(0)));
  ASSERT_TRUE(table.Put(HashKey(kSeed, "b"), Offset(1)));
  ASSERT_TRUE(table.Put(HashKey(kSeed, "a"), Offset(2)));
  EXPECT_EQ(table.Find(HashKey(kSeed, "a")), Offset(2));
  EXPECT_EQ(table.Find(HashKey(kSeed, "b")), Offset(1));
  EXPECT_FALSE(table.Find(HashKey(kSeed, "c")).has_value());
  EXPECT_EQ(table.size(), 2u);
}

TEST(KeyTable, WhenFullTakesKnownKeysOnly) {
  for (const size_t keys_max : {1, 2, 3, 1000}) {
    KeyTable table(keys_max);
    for (size_t i = 0; i < keys_max; ++i) {
      ASSERT_TRUE(table.Put(HashKey(kSeed, std::to_string(i)), Offset(i)));
    }
    EXPECT_FALSE(table.Put(HashKey(kSeed, "new"), Offset(keys_max)));
    EXPECT_FALSE(table.Find(HashKey(kSeed, "new")).has_value());
    EXPECT_TRUE(table.Put(HashKey(kSeed, "0"), Offset(keys_max)));
    EXPECT_EQ(table.Find(HashKey(kSeed, "0")), Offset(keys_max));
    EXPECT_EQ(table.size(), keys_max);
  }
}

// Keys whose home slots are equal wrap around the table's end and are still told apart.
TEST(KeyTable, TellsKeysOfOneSlotApart) {
  KeyTable table(3000);
  for (uint64_t i = 0; i < 3000; ++i) {
    ASSERT_TRUE(table.Put({.low = UINT64_MAX, .high = i}, Offset(i)));
  }
  for (uint64_t i = 0; i < 3000; ++i) {
    ASSERT_EQ(table.Find({.low = UINT64_MAX, .high = i}), Offset(i));
  }
  EXPECT_FALSE(table.Find({.low = UINT64_MAX, .high = 3000}).has_value());
}

TEST(KeyTable, AgreesWithAMap) {
  Prng prng(7);
  KeyTable table(5000);
  std::map<std::string, Offset> model;
  for (uint64_t i = 0; i < 50'000; ++i) {
    const std::string key = std::to_string(prng.Below(6000));
    table.Prefetch(HashKey(kSeed, key));
    const bool fits = model.contains(key) || model.size() < 5000;
    ASSERT_EQ(table.Put(HashKey(kSeed, key), Offset(i)), fits);
    if (fits) model[key] = Offset(i);
  }
  EXPECT_EQ(table.size(), model.size());
  for (uint64_t i = 0; i < 6000; ++i) {
    const auto found = model.find(std::to_string(i));
    EXPECT_EQ(table.Find(HashKey(kSeed, std::to_string(i))),
              found == model.end() ? std::nullopt : std::optional(found->second));
  }
}

TEST(KeyTable, TakesMemoryOnlyWhereKeysFell) {
  KeyTable table(kCompactionKeysMax);
  EXPECT_EQ(table.memory_bytes(), 0u);
  ASSERT_TRUE(table.Put(HashKey(kSeed, "a"), Offset(0)));
  EXPECT_EQ(table.memory_bytes(), 24u * 1024);
}

TEST(KeyTableDeathTest, NeverForgetsANewerOffset) {
  KeyTable table(1);
  ASSERT_TRUE(table.Put({}, Offset(5)));
  EXPECT_DEATH(static_cast<void>(table.Put({}, Offset(4))), "slot->end");
  EXPECT_DEATH(KeyTable(0), "keys_max");
  EXPECT_DEATH(KeyTable(kCompactionKeysMax + 1), "keys_max");
}

}  // namespace
}  // namespace tidemark
