#include "runtime/rpc/trace_context.h"

#include <gtest/gtest.h>

namespace tidemark::rpc {
namespace {

constexpr char kValid[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(TraceContext, AValidParentIsReadAndWrittenBack) {
  const auto context = ParseTraceparent(kValid);
  ASSERT_TRUE(context.has_value());
  EXPECT_EQ(context->trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(context->parent_id, "b7ad6b7169203331");
  EXPECT_EQ(context->flags, 1);
  EXPECT_EQ(FormatTraceparent(*context), kValid);
}

TEST(TraceContext, WhatTheStandardForbidsIsRefused) {
  for (const char* text : {"", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
                           "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                           "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                           "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                           "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                           "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
                           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                           "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more"}) {
    EXPECT_FALSE(ParseTraceparent(text).has_value()) << text;
  }
}

TEST(TraceContext, ALaterVersionMayHaveMoreAfterADash) {
  EXPECT_TRUE(
      ParseTraceparent("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more").has_value());
}

TEST(TraceContext, ASpanKeepsTheTraceAndTheSampledBitOnly) {
  auto parent = ParseTraceparent(kValid);
  parent->flags = 0xff;
  const TraceContext span = ServerSpan(parent, 1, 2, 0x1234);
  EXPECT_EQ(span.trace_id, parent->trace_id);
  EXPECT_EQ(span.parent_id, "0000000000001234");
  EXPECT_EQ(span.flags, 1);
}

TEST(TraceContext, ANewTraceIsValidEvenWhenRandomnessGivesZeros) {
  const TraceContext span = ServerSpan(std::nullopt, 0, 0, 0);
  EXPECT_EQ(ParseTraceparent(FormatTraceparent(span)), span);
}

}  // namespace
}  // namespace tidemark::rpc
