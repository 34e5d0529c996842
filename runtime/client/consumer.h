#pragma once

#include <memory>

#include "engine/base/ids.h"
#include "runtime/client/client.h"
#include "runtime/client/shared.h"

namespace tidemark::client {

// Reads `topic` from `start` on; `from_earliest`: because the log began there.
std::unique_ptr<Consumer> MakeConsumer(std::shared_ptr<Shared> shared, std::string topic,
                                       PartitionId partition, Offset start, bool from_earliest);

}  // namespace tidemark::client
