#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/node/request.h"

// The seam between the gRPC services and the engine's thread. The services know nothing of the
// engine's loop, files or effects; the node driver implements this and knows nothing of gRPC.

namespace tidemark {

// An answer of the engine with everything the driver had to fetch for it.
struct ResolvedResponse {
  Response response;
  // For a FetchResponse: the frames a consumer may see, already read (log.h, ConsumerFrames), in
  // order; adjacent frames may share a slice. Empty when there is nothing to read now.
  std::vector<Bytes> frames;
};

class EngineGateway {
 public:
  virtual ~EngineGateway() = default;

  // Hands a request to the engine.
  //   principal who asks, for access control; empty: nobody known.
  //   done      runs exactly once unless cancelled first, on the thread that runs the engine then,
  //             which may be the caller's, before Submit returns: the caller holds no lock that a
  //             `done` takes. It must not block and must not call back into the gateway's owner
  //             synchronously for long. A failure (also of the read behind a fetch, also a
  //             gateway that is stopping) arrives as RpcError in the response.
  //   Threads   any.
  virtual RequestId Submit(std::string principal, Request request,
                           std::function<void(ResolvedResponse)> done) = 0;

  // The client went away: a waiting fetch is forgotten. `done` may still run if it was already
  // under way; it is destroyed in any case. Unknown ids are ignored.
  //   Threads any, without a lock that a `done` takes.
  virtual void Cancel(RequestId id) = 0;
};

}  // namespace tidemark
