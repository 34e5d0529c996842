#pragma once

#include "engine/balancer/retry.h"

namespace grpc {
class Status;
}
namespace tidemark::v1 {
class StreamError;
}

namespace tidemark::client {

// What a failed call said, rich details included (google.rpc.Status in the trailers).
balancer::CallError ErrorOf(const grpc::Status& status);
// What the end of a stream that has none of its own means; an ok status is a failure, too.
balancer::CallError EndOfStream(const grpc::Status& status);
// What one failed request of a stream said.
balancer::CallError ErrorOf(const v1::StreamError& error);

}  // namespace tidemark::client
