#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/cert/authority.h"
#include "tests/runtime/cert/temporary_folder.h"

namespace tidemark::cert {
namespace {

using Describing = CertTest;

TEST_F(Describing, ListsWhatANodeCertificateSays) {
  ASSERT_TRUE(MakeAuthority().ok());
  NodeRequest request = Node(3);
  request.dns_names = {"localhost", "n3.example.org", "n3.example.org"};
  request.ip_addresses = {"2001:DB8:0::3"};
  ASSERT_TRUE(IssueNode(request).ok());
  const auto description = Describe(InFolder("node-3.crt"));
  ASSERT_TRUE(description.ok()) << description.status();
  EXPECT_EQ(description->subject, "CN=node-3,O=demo");
  EXPECT_EQ(description->issuer, "CN=Tidemark certificate authority,O=demo");
  EXPECT_FALSE(description->is_authority);
  EXPECT_EQ(description->names, (std::vector<std::string>{"DNS:localhost", "IP:127.0.0.1", "IP:::1",
                                                          "DNS:n3.example.org", "IP:2001:db8::3",
                                                          "URI:tidemark://demo/node/3"}));
  EXPECT_EQ(description->key_purposes, (std::vector<std::string>{"server", "client"}));
  EXPECT_EQ(description->fingerprint_sha256.size(), 32U * 3 - 1);
  EXPECT_LT(description->not_before, description->not_after);
  const std::string text = ToText(*description);
  EXPECT_NE(text.find("\nnames: DNS:localhost, IP:127.0.0.1"), std::string::npos) << text;
}

TEST_F(Describing, TellsAnAuthorityFromAClient) {
  ASSERT_TRUE(MakeAuthority().ok());
  ASSERT_TRUE(IssueClient(Client("alice@example.org")).ok());
  const auto ca = Describe(InFolder("ca.crt"));
  const auto client = Describe(InFolder("client-alice@example.org.crt"));
  ASSERT_TRUE(ca.ok() && client.ok());
  EXPECT_TRUE(ca->is_authority);
  EXPECT_FALSE(client->is_authority);
  EXPECT_EQ(client->subject, "CN=alice@example.org,O=demo");
  EXPECT_EQ(client->key_purposes, std::vector<std::string>{"client"});
  EXPECT_TRUE(client->names.empty());
  EXPECT_EQ(client->issuer, ca->subject);
}

TEST_F(Describing, VerifyNamesWhatDoesNotHold) {
  ASSERT_TRUE(MakeAuthority().ok());
  ASSERT_TRUE(IssueNode(Node(1)).ok());
  ASSERT_TRUE(IssueNode(Node(2)).ok());
  EXPECT_TRUE(Verify(InFolder("ca.crt"), InFolder("node-1.crt"), InFolder("node-1.key")).ok());
  EXPECT_TRUE(Verify(InFolder("ca.crt"), InFolder("node-1.crt"), "").ok());
  EXPECT_EQ(Verify(InFolder("ca.crt"), InFolder("node-1.crt"), InFolder("node-2.key")).code(),
            absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(MakeAuthority("demo", /*force=*/true).ok());
  EXPECT_EQ(Verify(InFolder("ca.crt"), InFolder("node-1.crt"), "").code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Verify(InFolder("ca.crt"), InFolder("absent"), "").code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace tidemark::cert
