#include "runtime/rpc/call_log.h"

#include "tests/runtime/rpc/fixture.h"
#include "tidemark/v1/log.grpc.pb.h"

namespace tidemark::rpc {
namespace {

class CallLogTest : public RpcTest {
 protected:
  // One call with the given metadata; leaves what came back in `call`.
  void Call(grpc::ClientContext& call) {
    Bound(call);
    gateway_.AnswerWith([](const Request&) { return Ack(0); });
    v1::ProduceRequest request;
    request.set_batch("b");
    v1::ProduceResponse response;
    ASSERT_TRUE(v1::Log::NewStub(channel_)->Produce(&call, request, &response).ok());
  }
  template <typename Metadata>
  static std::string Value(const Metadata& metadata, const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
  }
};

TEST_F(CallLogTest, TheClientsRequestIdComesBack) {
  grpc::ClientContext call;
  call.AddMetadata("x-request-id", "order-4711");
  Call(call);
  EXPECT_EQ(Value(call.GetServerInitialMetadata(), "x-request-id"), "order-4711");
}

TEST_F(CallLogTest, AnUnusableRequestIdIsReplaced) {
  grpc::ClientContext call;
  call.AddMetadata("x-request-id", std::string(200, 'x'));
  Call(call);
  EXPECT_EQ(Value(call.GetServerInitialMetadata(), "x-request-id").size(), 16u);
}

TEST_F(CallLogTest, TheClientsTraceGoesOnUnderASpanOfOurs) {
  grpc::ClientContext call;
  const std::string parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  call.AddMetadata("traceparent", parent);
  Call(call);
  const auto back = ParseTraceparent(Value(call.GetServerTrailingMetadata(), "traceparent"));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_NE(back->parent_id, "b7ad6b7169203331");
  EXPECT_EQ(back->flags, 1);
}

TEST_F(CallLogTest, AMalformedTraceIsReplacedByANewOne) {
  grpc::ClientContext call;
  call.AddMetadata("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01");
  Call(call);
  EXPECT_TRUE(ParseTraceparent(Value(call.GetServerTrailingMetadata(), "traceparent")).has_value());
}

}  // namespace
}  // namespace tidemark::rpc
