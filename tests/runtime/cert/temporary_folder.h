#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "runtime/cert/authority.h"

namespace tidemark::cert {

// A fixture with an empty folder of its own, removed afterwards.
class CertTest : public testing::Test {
 protected:
  CertTest() {
    std::string pattern = testing::TempDir() + "cert.XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~CertTest() override { std::filesystem::remove_all(folder_); }

  std::string InFolder(const std::string& name) const { return folder_ + "/" + name; }

  absl::Status MakeAuthority(const std::string& cluster = "demo", bool force = false) const {
    return CreateAuthority(
        {.cluster = cluster, .files = AuthorityFilesIn(folder_), .force = force});
  }

  NodeRequest Node(uint64_t id) const {
    return {.authority = AuthorityFilesIn(folder_),
            .cluster = "demo",
            .node_id = id,
            .dns_names = {},
            .ip_addresses = {},
            .files = NodeFilesIn(folder_, id)};
  }

  ClientRequest Client(const std::string& user) const {
    return {.authority = AuthorityFilesIn(folder_),
            .user = user,
            .files = ClientFilesIn(folder_, user)};
  }

  static std::string Read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  static void Write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  static mode_t Mode(const std::string& path) {
    struct stat found{};
    EXPECT_EQ(stat(path.c_str(), &found), 0) << path;
    return found.st_mode & 07777;
  }

  size_t FilesInFolder() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

  std::string folder_;
};

}  // namespace tidemark::cert
