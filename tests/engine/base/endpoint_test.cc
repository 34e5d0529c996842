#include "engine/base/endpoint.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace tidemark {
namespace {

Endpoint Parsed(std::string_view text) {
  const absl::StatusOr<Endpoint> endpoint = Endpoint::Parse(text);
  EXPECT_TRUE(endpoint.ok()) << text << ": " << endpoint.status();
  return endpoint.value_or(Endpoint{});
}

TEST(Endpoint, ReadsAddressesAndNames) {
  EXPECT_EQ(Parsed("127.0.0.1:7000"), (Endpoint{"127.0.0.1", 7000}));
  EXPECT_EQ(Parsed("[::1]:1"), (Endpoint{"::1", 1}));
  EXPECT_EQ(Parsed("Node-1.Example:65535"), (Endpoint{"node-1.example", 65535}));
  EXPECT_EQ(Parsed("localhost:7000"), (Endpoint{"localhost", 7000}));
}

TEST(Endpoint, WritesWhatItReads) {
  for (const std::string text : {"10.0.0.1:7000", "[fd00::1]:7000", "a_b.c:80", "[::]:9"}) {
    EXPECT_EQ(Parsed(text).ToString(), text);
  }
}

TEST(Endpoint, SpellingsOfOneAddressAreEqual) {
  EXPECT_EQ(Parsed("[FD00:0:0:0:0:0:0:1]:7"), Parsed("[fd00::1]:7"));
  EXPECT_EQ(Parsed("[::ffff:10.0.0.1]:7"), Parsed("10.0.0.1:7"));
  EXPECT_EQ(Parsed("[2001:db8:0:0:1:0:0:1]:7").host, "2001:db8::1:0:0:1");
  EXPECT_EQ(Parsed("[2001:db8:0:1:1:1:1:1]:7").host, "2001:db8:0:1:1:1:1:1");
  EXPECT_EQ(Parsed("[1::]:7").host, "1::");
}

TEST(Endpoint, RefusesWhatIsNoEndpointAndSaysWhatToWrite) {
  for (const std::string_view text : {"",
                                      ":",
                                      "host",
                                      "host:",
                                      ":7000",
                                      "host:0",
                                      "host:65536",
                                      "host:070",
                                      "host:-1",
                                      "host:7 ",
                                      "::1:7000",
                                      "[::1:7000",
                                      "[::1]7000",
                                      "[]:1",
                                      "[1:2]:3",
                                      "[::1::]:3",
                                      "[1.2.3.4]:5",
                                      "[12345::]:1",
                                      "[1.2.3.4::]:1",
                                      "[::1.2.3.4:5]:1",
                                      "300.1.1.1:5",
                                      "1.2.3:5",
                                      "1.2.3.4.5:6",
                                      "-a:1",
                                      ".a:1",
                                      "a b:1",
                                      "h\xc3\xb6st:1",
                                      "[1:2:3:4:5:6:7:8:9]:1",
                                      "[::2:3:4:5:6:7:8:9]:1"}) {
    const absl::StatusOr<Endpoint> endpoint = Endpoint::Parse(text);
    ASSERT_FALSE(endpoint.ok()) << text;
    EXPECT_EQ(endpoint.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(endpoint.status().message().find("write host:port"), std::string::npos);
  }
}

RC_GTEST_PROP(Endpoint, PackedAddressesComeBack, ()) {
  const auto size = *rc::gen::element<size_t>(4, 16);
  // Zero groups are what shortening is about, so make them common.
  const auto raw = *rc::gen::container<std::string>(
      size, rc::gen::oneOf(rc::gen::just('\0'), rc::gen::arbitrary<char>()));
  const std::optional<std::string> host = UnpackIp(raw);
  RC_ASSERT(host.has_value());
  const std::optional<std::string> packed = PackIp(*host);
  RC_ASSERT(packed.has_value());
  RC_ASSERT(UnpackIp(*packed) == host);
  RC_ASSERT(size == 4 || packed->size() == 4 || *packed == raw);
  const Endpoint endpoint{*host, 7000};
  RC_ASSERT(Endpoint::Parse(endpoint.ToString()).value() == endpoint);
}

RC_GTEST_PROP(Endpoint, AnyTextGivesAnEndpointOrAnError, (const std::string& text)) {
  const absl::StatusOr<Endpoint> endpoint = Endpoint::Parse(text);
  if (endpoint.ok()) RC_ASSERT(Endpoint::Parse(endpoint->ToString()).value() == *endpoint);
}

TEST(Endpoint, NamesAreNotAddresses) {
  EXPECT_FALSE(PackIp("localhost").has_value());
  EXPECT_FALSE(PackIp("").has_value());
  EXPECT_FALSE(PackIp("01.2.3.4").has_value());
  EXPECT_FALSE(UnpackIp("12345").has_value());
}

}  // namespace
}  // namespace tidemark
