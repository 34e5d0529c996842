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
// The same of one failed request of a stream.
balancer::CallError ErrorOf(const v1::StreamError& error);

}  // namespace tidemark::client
