#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/bytes.h"

// A journal's files and the frames in them: JOURNAL.md sections 2 and 3. Pure.

namespace tidemark::journal {

inline constexpr uint32_t kFormatVersion = 3;
inline constexpr size_t kFileHeaderBytes = 32;
inline constexpr size_t kFrameHeaderBytes = 9;
// Longest body of a frame: an event with the largest message of a peer and some room.
inline constexpr size_t kFrameBodyBytesMax = 48u << 20;

enum class FrameKind : uint8_t {
  kBegin = 1,    // what the node is made of
  kFile = 2,     // a file of the data directory, of the recovery that follows
  kBytes = 3,    // bytes of the file named last
  kEvent = 4,    // of the step that follows
  kStep = 5,     // the node was told: the first one is Node::Start
  kEffects = 6,  // what the node decided in the step before
  kEnd = 7,      // recording ended, and why
};

// Opens a frame at the end of `out`; its body is appended next. Gives what EndFrame wants.
size_t BeginFrame(std::string& out, FrameKind kind);
// Closes it: length in, checksum still to come.
//   Checks  dies if the body is longer than kFrameBodyBytesMax.
void EndFrame(std::string& out, size_t frame);

// Fills in the checksums of the whole frames that `frames` consists of. `chain` is the checksum of
// the frame before and becomes that of the last one: a frame that is missing, repeated or moved
// breaks the chain.
void Seal(std::string& frames, uint32_t& chain);

struct FileHeader {
  uint64_t run = 0;     // equal in all files of one run of a node
  uint32_t number = 1;  // of the file in its run, from 1
  uint32_t chain = 0;   // as Seal left it at the end of the file before
};

std::string EncodeFileHeader(const FileHeader& header);
//   Errors  kDataLoss too short or damaged; kInvalidArgument no journal; kFailedPrecondition of a
//           version this program does not read.
absl::StatusOr<FileHeader> DecodeFileHeader(std::string_view file);

struct Frame {
  FrameKind kind = FrameKind::kBegin;
  Bytes body;
};

// The frames of a journal, file by file.
class FrameReader {
 public:
  // Goes on with `file`, whole, once Next gave the end of the one before.
  //   Errors  as DecodeFileHeader; kDataLoss it does not continue the file before.
  absl::Status Open(Bytes file);
  // The next frame; nullopt at the end of the file.
  //   Errors  kDataLoss a checksum is wrong. kOutOfRange: the file ends inside a frame, as the last
  //           one does after a crash. After an error there is nothing more.
  absl::StatusOr<std::optional<Frame>> Next();
  // Where in the file the next frame begins.
  size_t pos() const { return pos_; }

 private:
  Bytes file_;
  size_t pos_ = 0;
  std::optional<FileHeader> header_;
  uint32_t chain_ = 0;
};

}  // namespace tidemark::journal
