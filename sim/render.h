#pragma once

#include <string>

#include "engine/base/time.h"
#include "engine/node/effect.h"
#include "engine/node/event.h"

// Events and effects as one line each, for a person. What is long is cut, contents of records are
// not shown.

namespace tidemark::sim {

std::string Render(const Event& event);
std::string Render(const Effect& effect);
std::string Render(const PeerMessage& message);
std::string Render(const Request& request);
std::string Render(const Response& response);

// "2026-01-02T03:04:05.678Z".
std::string RenderTime(WallTime time);
// "37 us", "12.3 ms" or "4.56 s".
std::string RenderDuration(Duration duration);
// "812 B", "3.4 KB" or "5.6 MB".
std::string RenderBytes(uint64_t bytes);

}  // namespace tidemark::sim
