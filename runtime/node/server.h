#pragma once

#include "runtime/node/config.h"

namespace tidemark {

// Runs a server until SIGTERM or SIGINT, then shuts it down gracefully: hands leadership over, ends
// tailing consumers, makes everything durable.
//   Returns  the process's exit code: 0 after a graceful end, 1 if it could not start or its
//   storage
//            failed. Errors go to the log, one line that says what to do.
// Prints one log line `listening address=...` when clients may connect.
int RunServer(const ServerConfig& config);

}  // namespace tidemark
