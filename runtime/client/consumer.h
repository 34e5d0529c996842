#pragma once

#include <memory>

#include "engine/base/ids.h"
#include "runtime/client/client.h"
#include "runtime/client/shared.h"

namespace tidemark::client {

// Reads `topic` from `start` on.
std::unique_ptr<Consumer> MakeConsumer(std::shared_ptr<Shared> shared, std::string topic,
                                       PartitionId partition, Offset start);

}  // namespace tidemark::client
