#include "engine/acl/principal.h"

#include <gtest/gtest.h>

namespace tidemark::acl {
namespace {

TEST(AclPrincipal, IsTheSubjectsCommonName) {
  EXPECT_EQ(PrincipalOf({.subject_cn = "alice", .san_dns = {"host"}, .san_uri = {}}), "alice");
}

TEST(AclPrincipal, UnusableNamesAreNobody) {
  EXPECT_EQ(PrincipalOf({.subject_cn = "", .san_dns = {"host"}, .san_uri = {}}), "");
  EXPECT_EQ(PrincipalOf({.subject_cn = std::string("root\0.evil", 10)}), "");
  EXPECT_EQ(PrincipalOf({.subject_cn = "root\nforged line"}), "");
  EXPECT_EQ(PrincipalOf({.subject_cn = std::string(2000, 'a')}), "");
}

}  // namespace
}  // namespace tidemark::acl
