#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "engine/base/endpoint.h"
#include "engine/base/ids.h"

namespace tidemark::gossip {

enum class MemberState : uint8_t {
  kAlive = 0,
  kSuspect = 1,  // did not answer; has a while to object
  kDead = 2,     // did not object in time
  kLeft = 3,     // said goodbye
};

// What one node believes of one member.
struct Member {
  NodeId id;
  std::string name;
  Endpoint endpoint;
  MemberState state = MemberState::kAlive;
  // Raised by the member itself only; newer news about it replaces older by this number.
  uint64_t incarnation = 0;
  std::map<std::string, std::string> tags;

  friend bool operator==(const Member&, const Member&) = default;
};

}  // namespace tidemark::gossip
