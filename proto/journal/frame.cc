#include "proto/journal/frame.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/base/status_macros.h"

namespace tidemark::journal {
namespace {

constexpr std::string_view kMagic = "tmjrnl\r\n";
constexpr size_t kCrcAt = 4;
constexpr size_t kKindAt = 8;
constexpr size_t kHeaderCrcAt = kFileHeaderBytes - 4;

// Of a frame: its kind, its body, and by the chain all frames before.
uint32_t ChecksumOf(std::string_view frame, uint32_t chain) {
  return Crc32c(frame.substr(kKindAt), Crc32c(frame.substr(0, kCrcAt), chain));
}

}  // namespace

size_t BeginFrame(std::string& out, FrameKind kind) {
  const size_t frame = out.size();
  out.append(kFrameHeaderBytes, '\0');
  out[frame + kKindAt] = static_cast<char>(kind);
  return frame;
}

void EndFrame(std::string& out, size_t frame) {
  const size_t body = out.size() - frame - kFrameHeaderBytes;
  TIDEMARK_CHECK_LE(body, kFrameBodyBytesMax);
  StoreLittle(out.data() + frame, static_cast<uint32_t>(body));
}

void Seal(std::string& frames, uint32_t& chain) {
  for (size_t at = 0; at < frames.size();) {
    const size_t bytes = kFrameHeaderBytes + LoadLittle<uint32_t>(frames.data() + at);
    TIDEMARK_CHECK_LE(bytes, frames.size() - at);
    chain = ChecksumOf(std::string_view(frames).substr(at, bytes), chain);
    StoreLittle(frames.data() + at + kCrcAt, chain);
    at += bytes;
  }
}

std::string EncodeFileHeader(const FileHeader& header) {
  std::string out(kMagic);
  AppendLittle(out, kFormatVersion);
  AppendLittle(out, header.number);
  AppendLittle(out, header.run);
  AppendLittle(out, header.chain);
  AppendLittle(out, Crc32c(out));
  TIDEMARK_CHECK_EQ(out.size(), kFileHeaderBytes);
  return out;
}

absl::StatusOr<FileHeader> DecodeFileHeader(std::string_view file) {
  if (!file.starts_with(kMagic.substr(0, std::min(kMagic.size(), file.size())))) {
    return absl::InvalidArgumentError("this is no file of a journal");
  }
  if (file.size() < kFileHeaderBytes) {
    return absl::DataLossError(
        absl::StrCat("a file of ", file.size(), " bytes is shorter than a journal's header"));
  }
  const uint32_t version = LoadLittle<uint32_t>(file.data() + 8);
  if (Crc32c(file.substr(0, kHeaderCrcAt)) != LoadLittle<uint32_t>(file.data() + kHeaderCrcAt)) {
    return absl::DataLossError("the header of this journal's file is damaged");
  }
  if (version != kFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("this journal is of format ", version, ", this program reads ", kFormatVersion,
                     "; replay it with the version that wrote it"));
  }
  return FileHeader{.run = LoadLittle<uint64_t>(file.data() + 16),
                    .number = LoadLittle<uint32_t>(file.data() + 12),
                    .chain = LoadLittle<uint32_t>(file.data() + 24)};
}

absl::Status FrameReader::Open(Bytes file) {
  TIDEMARK_ASSIGN_OR_RETURN(const FileHeader header, DecodeFileHeader(file.view()));
  const uint32_t expected = header_.has_value() ? header_->number + 1 : 1;
  if (header.number != expected) {
    return absl::DataLossError(absl::StrCat("file ", header.number, " of a journal where file ",
                                            expected, " should be: a file is missing"));
  }
  if (header_.has_value() && header.run != header_->run) {
    return absl::DataLossError(absl::StrCat("file ", header.number, " is of another run"));
  }
  if (header.chain != chain_) {
    return absl::DataLossError(
        absl::StrCat("file ", header.number, " does not continue where the file before it ends"));
  }
  header_ = header;
  file_ = std::move(file);
  pos_ = kFileHeaderBytes;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Frame>> FrameReader::Next() {
  const std::string_view rest = file_.view().substr(std::min(pos_, file_.size()));
  if (rest.empty()) return std::nullopt;
  const auto torn = [&] {
    const absl::Status status = absl::OutOfRangeError(absl::StrCat(
        "the last ", rest.size(), " bytes, from byte ", pos_, " on, are part of a frame"));
    file_ = {};
    return status;
  };
  if (rest.size() < kFrameHeaderBytes) return torn();
  const size_t body = LoadLittle<uint32_t>(rest.data());
  if (body <= kFrameBodyBytesMax && body > rest.size() - kFrameHeaderBytes) return torn();
  const uint8_t kind = static_cast<uint8_t>(rest[kKindAt]);
  const bool plausible =
      body <= kFrameBodyBytesMax && kind >= 1 && kind <= static_cast<uint8_t>(FrameKind::kEnd);
  const size_t bytes = kFrameHeaderBytes + body;
  const uint32_t crc = plausible ? ChecksumOf(rest.substr(0, bytes), chain_) : 0;
  if (!plausible || crc != LoadLittle<uint32_t>(rest.data() + kCrcAt)) {
    const size_t at = pos_;
    file_ = {};
    return absl::DataLossError(
        absl::StrCat("the frame at byte ", at, " is damaged: its checksum is wrong"));
  }
  chain_ = crc;
  Frame frame{.kind = static_cast<FrameKind>(kind),
              .body = file_.Slice(pos_ + kFrameHeaderBytes, body)};
  pos_ += bytes;
  return frame;
}

}  // namespace tidemark::journal
