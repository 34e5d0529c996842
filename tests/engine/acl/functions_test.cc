#include "engine/acl/functions.h"

#include <gtest/gtest.h>

#include <string>

namespace tidemark::acl {
namespace {

TEST(AclFunctions, KeyMatchTakesAPrefix) {
  EXPECT_TRUE(KeyMatch("/foo/bar", "/foo/*"));
  EXPECT_TRUE(KeyMatch("/foo/", "/foo/*"));
  EXPECT_TRUE(KeyMatch("anything", "*"));
  EXPECT_TRUE(KeyMatch("/foo", "/foo"));
  EXPECT_FALSE(KeyMatch("/foo", "/foo/*"));
  EXPECT_FALSE(KeyMatch("/foobar", "/foo"));
  EXPECT_FALSE(KeyMatch("/fo", "/foo*"));
}

TEST(AclFunctions, KeyMatch2TakesNamesAndRests) {
  EXPECT_TRUE(KeyMatch2("/foo/bar", "/foo/*"));
  EXPECT_TRUE(KeyMatch2("/alice/7", "/:user/:id"));
  EXPECT_TRUE(KeyMatch2("/a/b/c", "/a/:x/c"));
  EXPECT_TRUE(KeyMatch2("/a//c", "/a/*/c"));
  EXPECT_FALSE(KeyMatch2("/a//c", "/a/:x/c"));
  EXPECT_FALSE(KeyMatch2("/alice/7/8", "/:user/:id"));
  EXPECT_FALSE(KeyMatch2("/alice/", "/:user/:id"));
  EXPECT_FALSE(KeyMatch2("/fooXbar", "/foo.bar"));
}

TEST(AclFunctions, KeyMatch3TakesBraces) {
  EXPECT_TRUE(KeyMatch3("/foo/7/bar", "/foo/{id}/bar"));
  EXPECT_TRUE(KeyMatch3("/foo/7-x", "/foo/{a}-{b}"));
  EXPECT_FALSE(KeyMatch3("/foo/7/8/bar", "/foo/{id}/bar"));
  EXPECT_FALSE(KeyMatch3("/foo/7", "/foo/:id"));
  EXPECT_TRUE(KeyMatch3("/foo/{", "/foo/{"));
}

TEST(AclFunctions, HostilePatternsTakePolynomialTime) {
  std::string pattern;
  for (int i = 0; i < 500; ++i) pattern += "/*";
  EXPECT_FALSE(KeyMatch2(std::string(4000, '/'), pattern + "x"));
}

}  // namespace
}  // namespace tidemark::acl
