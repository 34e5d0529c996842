#pragma once

#include <memory>

#include "engine/base/ids.h"
#include "runtime/client/client.h"
#include "runtime/client/shared.h"

namespace tidemark::client {

// Writes what `read` asks for into `request`.
void SetConsistency(const ReadOptions& read, v1::ConsumeRequest& request);

// Reads from `start` on, which is what `options` says of where to begin.
std::unique_ptr<Consumer> MakeConsumer(std::shared_ptr<Shared> shared,
                                       const ConsumerOptions& options, Offset start);

}  // namespace tidemark::client
