#include "engine/gossip/keyring.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace tidemark::gossip {
namespace {

Keyring Ring(std::vector<std::string> keys, std::string cluster = "green") {
  return Keyring::Create(std::move(keys), std::move(cluster)).value();
}

const std::string kA(16, 'a');
const std::string kB(24, 'b');
const std::string kC(32, 'c');

RC_GTEST_PROP(Keyring, OpensWhatItSealed, (const std::string& plain, uint64_t seed)) {
  Prng prng(seed);
  for (const std::string& key : {kA, kB, kC}) {
    const Keyring ring = Ring({key});
    const std::string sealed = ring.Seal(plain, prng);
    RC_ASSERT(sealed.size() == plain.size() + 29);
    RC_ASSERT(sealed[0] == 1);
    RC_ASSERT(ring.Open(sealed).value() == plain);
    RC_ASSERT(!Ring({key}, "blue").Open(sealed).ok());
  }
}

TEST(Keyring, RotatesWithoutAGap) {
  Prng prng(1);
  const Keyring before = Ring({kA}), adding = Ring({kA, kC}), using_new = Ring({kC, kA}),
                after = Ring({kC});
  EXPECT_TRUE(adding.Open(before.Seal("x", prng)).ok());
  EXPECT_TRUE(adding.Open(using_new.Seal("x", prng)).ok());
  EXPECT_TRUE(using_new.Open(adding.Seal("x", prng)).ok());
  EXPECT_TRUE(after.Open(using_new.Seal("x", prng)).ok());
  EXPECT_FALSE(after.Open(adding.Seal("x", prng)).ok());
}

TEST(Keyring, RefusesEveryChangedOrMissingByte) {
  Prng prng(1);
  const Keyring ring = Ring({kA, kC});
  const std::string sealed = ring.Seal("forty-two", prng);
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] ^= 1;
    EXPECT_EQ(ring.Open(changed).status().code(), absl::StatusCode::kPermissionDenied) << i;
    EXPECT_FALSE(ring.Open(sealed.substr(0, i)).ok()) << i;
  }
  EXPECT_FALSE(ring.Open(sealed + "x").ok());
}

TEST(Keyring, NeverRepeatsANonce) {
  Prng prng(1);
  const Keyring ring = Ring({kA});
  std::set<std::string> nonces;
  for (int i = 0; i < 10'000; ++i) nonces.insert(ring.Seal("", prng).substr(1, 12));
  EXPECT_EQ(nonces.size(), 10'000u);
}

TEST(Keyring, WantsKeysOfAesSizes) {
  for (const size_t bytes : {0, 1, 15, 17, 31, 33, 64}) {
    const absl::Status status = Keyring::Create({kA, std::string(bytes, 'k')}, "c").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bytes;
  }
  EXPECT_TRUE(Ring({}).empty());
}

// Test case 4 of the GCM specification's AES-128 vectors, laid out as a packet.
TEST(Keyring, AgreesWithThePublishedVector) {
  const auto bytes = [](std::string_view hex) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    std::string out;
    for (size_t i = 0; i < hex.size(); i += 2) {
      out.push_back(static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
    }
    return out;
  };
  const Keyring ring = Ring({bytes("feffe9928665731c6d6a8f9467308308")},
                            bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2"));
  const std::string sealed = std::string(1, 1) + bytes("cafebabefacedbaddecaf888") +
                             bytes(
                                 "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
                                 "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091") +
                             bytes("5bc94fbc3221a5db94fae95ae7121a47");
  EXPECT_EQ(ring.Open(sealed).value(),
            bytes("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"));
}

}  // namespace
}  // namespace tidemark::gossip
