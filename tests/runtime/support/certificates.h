#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "runtime/cert/authority.h"
#include "runtime/net/tls.h"

namespace tidemark::net {

// A certificate authority with everything it signed, in a folder that goes with it.
class Certificates {
 public:
  explicit Certificates(std::string cluster = "demo") : cluster_(std::move(cluster)) {
    std::string pattern = testing::TempDir() + "certificates.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    EXPECT_TRUE(
        cert::CreateAuthority({.cluster = cluster_, .files = cert::AuthorityFilesIn(folder_)})
            .ok());
  }
  ~Certificates() { std::filesystem::remove_all(folder_); }
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  // The files of node `id`; `again` replaces them with new ones.
  TlsFiles Node(uint64_t id, bool again = false) const {
    const cert::KeyPairFiles files = cert::NodeFilesIn(folder_, id);
    if (again || !std::filesystem::exists(files.certificate)) {
      const absl::Status made = cert::IssueNode({.authority = cert::AuthorityFilesIn(folder_),
                                                 .cluster = cluster_,
                                                 .node_id = id,
                                                 .dns_names = {},
                                                 .ip_addresses = {},
                                                 .files = files,
                                                 .force = again});
      EXPECT_TRUE(made.ok()) << made;
    }
    return With(files);
  }

  TlsFiles Client(const std::string& user) const {
    const cert::KeyPairFiles files = cert::ClientFilesIn(folder_, user);
    const absl::Status made = cert::IssueClient({.authority = cert::AuthorityFilesIn(folder_),
                                                 .user = user,
                                                 .files = files,
                                                 .force = true});
    EXPECT_TRUE(made.ok()) << made;
    return With(files);
  }

  std::string InFolder(const std::string& name) const { return folder_ + "/" + name; }

 private:
  TlsFiles With(const cert::KeyPairFiles& files) const {
    return {.ca = cert::AuthorityFilesIn(folder_).certificate,
            .cert = files.certificate,
            .key = files.key};
  }

  const std::string cluster_;
  std::string folder_;
};

inline std::shared_ptr<TlsContext> Context(const TlsFiles& files, TlsContext::Role role) {
  absl::StatusOr<std::shared_ptr<TlsContext>> context = TlsContext::Create(files, role);
  EXPECT_TRUE(context.ok()) << context.status();
  return *context;
}

}  // namespace tidemark::net
