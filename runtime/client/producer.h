#pragma once

#include <memory>

#include "runtime/client/client.h"
#include "runtime/client/shared.h"

namespace tidemark::client {

std::unique_ptr<Producer> MakeProducer(std::shared_ptr<Shared> shared, ProducerOptions options);

}  // namespace tidemark::client
