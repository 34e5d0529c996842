#pragma once

#include <string>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/log/file.h"

// What verifying the files of a log found, in words for people: verify.h looks at all of a group's
// files at once, scrub.h at full segments while the log is in use.

namespace tidemark {

enum class FindingKind : uint8_t {
  kRot,           // the disk lost or changed what it had made durable
  kTornTail,      // the end of a flush that a crash interrupted: nobody was promised it
  kMissingFile,   // other files vouch for it
  kStaleSidecar,  // a sidecar that says less or other than its frames: they say it all again
};
std::string_view NameOf(FindingKind kind);

struct Finding {
  FindingKind kind = FindingKind::kRot;
  FileId file;
  // Bytes [begin, end) of the file; empty where bytes or files are missing.
  FilePos begin;
  FilePos end;
  // What cannot be read because of it: entries and records, half-open; empty where nothing is lost
  // by it. Without a sidecar that knows better, a damaged stretch counts as one entry.
  LogIndex first_index;
  LogIndex end_index;
  Offset first_offset;
  Offset end_offset;
  // Something is lost that was durable here: a node that reads it refuses to go on.
  bool durable = false;
  std::string what;    // what is wrong and what that means
  std::string remedy;  // what can be done
};

// The way out where the disk has lost what was durable.
inline constexpr std::string_view kFromPeers =
    "if other replicas are healthy, move this node's data directory away and start it empty: it "
    "gets everything from them";

// "entries 3 to 5".
std::string EntriesText(LogIndex first, LogIndex end);
// "the records of offsets 7 to 9".
std::string RecordsText(Offset first, Offset end);

// Complete a finding whose file, bytes, entries and offsets are set: frames that cannot be read;
// frames that are intact, but not those that were written here.
Finding DamagedFrames(Finding at, std::string_view wrong, bool durable);
Finding ForeignFrames(Finding at, std::string_view what);
// One about bytes of a sidecar; its entries are empty, as nothing is lost.
Finding StaleSidecar(Finding at, std::string_view what);

}  // namespace tidemark
