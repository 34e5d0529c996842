#include "runtime/cert/authority.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>

#include "tests/runtime/cert/temporary_folder.h"

namespace tidemark::cert {
namespace {

using Authority = CertTest;

// Reads with OpenSSL directly, so that the library is not its own witness.
std::unique_ptr<X509, decltype(&X509_free)> Load(const std::string& path) {
  FILE* file = fopen(path.c_str(), "r");
  X509* certificate = file == nullptr ? nullptr : PEM_read_X509(file, nullptr, nullptr, nullptr);
  if (file != nullptr) {
    fclose(file);
  }
  return {certificate, &X509_free};
}

TEST_F(Authority, SignsItsOwnCertificateAndMayOnlySignLeaves) {
  ASSERT_TRUE(MakeAuthority().ok());
  const auto ca = Load(InFolder("ca.crt"));
  ASSERT_NE(ca, nullptr);
  EXPECT_EQ(X509_verify(ca.get(), X509_get0_pubkey(ca.get())), 1);
  EXPECT_EQ(X509_check_ca(ca.get()), 1);
  EXPECT_EQ(X509_get_pathlen(ca.get()), 0);
  EXPECT_EQ(X509_get_key_usage(ca.get()), uint32_t{KU_KEY_CERT_SIGN | KU_CRL_SIGN});
  EXPECT_EQ(EVP_PKEY_get_bits(X509_get0_pubkey(ca.get())), 256);
  int days = 0;
  int seconds = 0;
  ASSERT_EQ(
      ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(ca.get()), X509_get0_notAfter(ca.get())),
      1);
  EXPECT_EQ(days, kAuthorityDaysDefault);
}

TEST_F(Authority, SignsNodeCertificatesThatServeAndDialUnderTheirNames) {
  ASSERT_TRUE(MakeAuthority().ok());
  NodeRequest request = Node(7);
  request.dns_names = {"node7.example.org"};
  request.ip_addresses = {"192.0.2.7", "2001:db8::7"};
  ASSERT_TRUE(IssueNode(request).ok());
  const auto ca = Load(InFolder("ca.crt"));
  const auto node = Load(InFolder("node-7.crt"));
  ASSERT_NE(node, nullptr);
  EXPECT_EQ(X509_verify(node.get(), X509_get0_pubkey(ca.get())), 1);
  for (const char* host : {"localhost", "node7.example.org"}) {
    EXPECT_EQ(X509_check_host(node.get(), host, 0, 0, nullptr), 1) << host;
  }
  for (const char* ip : {"127.0.0.1", "::1", "192.0.2.7", "2001:db8::7"}) {
    EXPECT_EQ(X509_check_ip_asc(node.get(), ip, 0), 1) << ip;
  }
  EXPECT_EQ(X509_check_host(node.get(), "node8.example.org", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_check_ip_asc(node.get(), "192.0.2.8", 0), 0);
  EXPECT_EQ(X509_check_purpose(node.get(), X509_PURPOSE_SSL_SERVER, 0), 1);
  EXPECT_EQ(X509_check_purpose(node.get(), X509_PURPOSE_SSL_CLIENT, 0), 1);
  EXPECT_EQ(X509_check_ca(node.get()), 0);
}

TEST_F(Authority, SignsClientCertificatesThatOnlyDial) {
  ASSERT_TRUE(MakeAuthority().ok());
  ASSERT_TRUE(IssueClient(Client("alice")).ok());
  const auto ca = Load(InFolder("ca.crt"));
  const auto client = Load(InFolder("client-alice.crt"));
  ASSERT_NE(client, nullptr);
  EXPECT_EQ(X509_verify(client.get(), X509_get0_pubkey(ca.get())), 1);
  EXPECT_EQ(X509_check_purpose(client.get(), X509_PURPOSE_SSL_CLIENT, 0), 1);
  EXPECT_EQ(X509_check_purpose(client.get(), X509_PURPOSE_SSL_SERVER, 0), 0);
}

TEST_F(Authority, MakesEachSerialNumberFreshAndPositive) {
  ASSERT_TRUE(MakeAuthority().ok());
  ASSERT_TRUE(IssueClient(Client("a")).ok());
  ASSERT_TRUE(IssueClient(Client("b")).ok());
  const auto a = Load(InFolder("client-a.crt"));
  const auto b = Load(InFolder("client-b.crt"));
  EXPECT_NE(ASN1_INTEGER_cmp(X509_get0_serialNumber(a.get()), X509_get0_serialNumber(b.get())), 0);
  EXPECT_EQ(ASN1_STRING_length(X509_get0_serialNumber(a.get())), 20);
  EXPECT_EQ(ASN1_STRING_type(X509_get0_serialNumber(a.get())), V_ASN1_INTEGER);
}

TEST_F(Authority, NeverOverwritesWithoutForce) {
  ASSERT_TRUE(MakeAuthority().ok());
  const std::string ca = Read(InFolder("ca.crt"));
  const std::string key = Read(InFolder("ca.key"));
  EXPECT_EQ(MakeAuthority().code(), absl::StatusCode::kAlreadyExists);
  ASSERT_TRUE(IssueNode(Node(1)).ok());
  const std::string node = Read(InFolder("node-1.crt"));
  const absl::Status again = IssueNode(Node(1));
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_NE(std::string(again.message()).find("--force"), std::string::npos) << again;
  EXPECT_EQ(Read(InFolder("ca.crt")), ca);
  EXPECT_EQ(Read(InFolder("ca.key")), key);
  EXPECT_EQ(Read(InFolder("node-1.crt")), node);

  NodeRequest renewal = Node(1);
  renewal.force = true;
  ASSERT_TRUE(IssueNode(renewal).ok());
  EXPECT_NE(Read(InFolder("node-1.crt")), node);
  EXPECT_TRUE(Verify(InFolder("ca.crt"), InFolder("node-1.crt"), InFolder("node-1.key")).ok());
}

TEST_F(Authority, RefusesNamesThatCouldSmuggleOtherNames) {
  ASSERT_TRUE(MakeAuthority().ok());
  for (const char* name : {"", "a,URI:tidemark://demo/node/1", "*.example.org", "a..b", "-a", "a-",
                           "a.", "a b", "\xc3\xa9.example.org"}) {
    NodeRequest request = Node(1);
    request.dns_names = {name};
    EXPECT_EQ(IssueNode(request).code(), absl::StatusCode::kInvalidArgument) << name;
  }
  for (const char* ip : {"", "1.2.3", "1.2.3.4,DNS:x", "localhost", "::1%lo"}) {
    NodeRequest request = Node(1);
    request.ip_addresses = {ip};
    EXPECT_EQ(IssueNode(request).code(), absl::StatusCode::kInvalidArgument) << ip;
  }
  for (const std::string& user :
       {std::string(), std::string("a/b"), std::string("a\nb"), std::string("../a"),
        std::string("a\0b", 3), std::string(kNameBytesMax + 1, 'a')}) {
    EXPECT_EQ(IssueClient(Client(user)).code(), absl::StatusCode::kInvalidArgument) << user;
  }
  EXPECT_EQ(IssueNode(Node(0)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FilesInFolder(), 2U);
}

TEST_F(Authority, RefusesToSignForAnotherCluster) {
  ASSERT_TRUE(MakeAuthority().ok());
  NodeRequest request = Node(1);
  request.cluster = "other";
  const absl::Status status = IssueNode(request);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(status.message()).find("'demo'"), std::string::npos) << status;
}

TEST_F(Authority, RefusesToSignWithALeafOrWithTheWrongKey) {
  ASSERT_TRUE(MakeAuthority().ok());
  ASSERT_TRUE(IssueNode(Node(1)).ok());
  NodeRequest with_leaf = Node(2);
  with_leaf.authority = NodeFilesIn(folder_, 1);
  EXPECT_EQ(IssueNode(with_leaf).code(), absl::StatusCode::kFailedPrecondition);
  NodeRequest with_wrong_key = Node(2);
  with_wrong_key.authority.key = NodeFilesIn(folder_, 1).key;
  EXPECT_EQ(IssueNode(with_wrong_key).code(), absl::StatusCode::kFailedPrecondition);
  NodeRequest without = Node(2);
  without.authority.key = InFolder("absent.key");
  EXPECT_EQ(IssueNode(without).code(), absl::StatusCode::kNotFound);
}

TEST_F(Authority, CutsALeafToItsOwnEnd) {
  ASSERT_TRUE(
      CreateAuthority({.cluster = "demo", .files = AuthorityFilesIn(folder_), .days = 10}).ok());
  ASSERT_TRUE(IssueNode(Node(1)).ok());
  const auto ca = Load(InFolder("ca.crt"));
  const auto node = Load(InFolder("node-1.crt"));
  EXPECT_EQ(ASN1_TIME_compare(X509_get0_notAfter(ca.get()), X509_get0_notAfter(node.get())), 0);
}

TEST_F(Authority, RefusesValidityOutsideTheBounds) {
  for (const int days : {-1, 0, kDaysMax + 1}) {
    EXPECT_EQ(CreateAuthority({.cluster = "demo", .files = AuthorityFilesIn(folder_), .days = days})
                  .code(),
              absl::StatusCode::kInvalidArgument)
        << days;
  }
  EXPECT_TRUE(
      CreateAuthority({.cluster = "demo", .files = AuthorityFilesIn(folder_), .days = kDaysMax})
          .ok());
}

}  // namespace
}  // namespace tidemark::cert
