#include "runtime/cert/pem_files.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/runtime/cert/temporary_folder.h"

namespace tidemark::cert {
namespace {

using PemFiles = CertTest;

TEST_F(PemFiles, KeepsKeysPrivateWhateverTheUmask) {
  const mode_t before = umask(0);
  ASSERT_TRUE(MakeAuthority().ok());
  ASSERT_TRUE(IssueClient(Client("alice")).ok());
  umask(before);
  EXPECT_EQ(Mode(InFolder("ca.key")), mode_t{0600});
  EXPECT_EQ(Mode(InFolder("client-alice.key")), mode_t{0600});
  EXPECT_EQ(Mode(InFolder("ca.crt")), mode_t{0644});
}

TEST_F(PemFiles, LeavesNoTemporaryFileBehind) {
  ASSERT_TRUE(MakeAuthority().ok());
  EXPECT_EQ(FilesInFolder(), 2U);
  ASSERT_TRUE(MakeAuthority("demo", /*force=*/true).ok());
  EXPECT_EQ(FilesInFolder(), 2U);
}

TEST_F(PemFiles, RefusesOneNameForBothFiles) {
  EXPECT_EQ(CheckTargets({.certificate = "a", .key = "a"}, true).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckTargets({.certificate = "", .key = "a"}, true).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(PemFiles, RefusesToReplaceAFolderOrALinkEvenByForce) {
  std::filesystem::create_directory(InFolder("ca.crt"));
  EXPECT_EQ(MakeAuthority("demo", true).code(), absl::StatusCode::kInvalidArgument);
  std::filesystem::remove(InFolder("ca.crt"));
  std::filesystem::create_symlink("elsewhere", InFolder("ca.crt"));
  EXPECT_EQ(MakeAuthority("demo", true).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MakeAuthority("demo", false).code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(PemFiles, RemovesTheKeyWhenTheCertificateCannotFollow) {
  const absl::Status status = CreateAuthority(
      {.cluster = "demo",
       .files = {.certificate = InFolder("absent/ca.crt"), .key = InFolder("ca.key")}});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
  EXPECT_EQ(FilesInFolder(), 0U);
}

TEST_F(PemFiles, NameTheFileThatHoldsNoPem) {
  Write(InFolder("junk"), "-----BEGIN CERTIFICATE-----\nnot base64\n");
  EXPECT_EQ(ReadCertificate(InFolder("junk")).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReadKey(InFolder("junk")).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReadCertificate(InFolder("absent")).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(MakeAuthority().ok());
  EXPECT_EQ(ReadCertificate(InFolder("ca.key")).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(ReadKey(InFolder("ca.key")).ok());
}

}  // namespace
}  // namespace tidemark::cert
