#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/check.h"
#include "proto/journal/codec.h"
#include "proto/journal/directory_image.h"
#include "proto/journal/frame.h"

// A journal from anywhere: bad bytes are refused, and what is accepted is written again the same.
// The input is the frames of one file without checksums, which are filled in first: else the fuzzer
// would see nothing but checksums that are wrong.

namespace {

using tidemark::Bytes;
namespace journal = tidemark::journal;

Bytes FirstBody(std::string frames) {
  uint32_t chain = 0;
  journal::Seal(frames, chain);
  journal::FrameReader reader;
  TIDEMARK_CHECK(reader.Open(Bytes::From(journal::EncodeFileHeader({}) + frames)).ok());
  const auto frame = reader.Next();
  TIDEMARK_CHECK(frame.ok() && frame->has_value());
  return (*frame)->body;
}

void TakeEvent(const Bytes& body) {
  const auto event = journal::DecodeEvent(body);
  if (!event.ok()) return;
  std::string again;
  journal::AppendEvent(again, event->event, event->reopening);
  const Bytes body_again = FirstBody(again);
  const auto twice = journal::DecodeEvent(body_again);
  TIDEMARK_CHECK(twice.ok());
  std::string and_again;
  journal::AppendEvent(and_again, twice->event, twice->reopening);
  TIDEMARK_CHECK(again == and_again);
}

void TakeBegin(const Bytes& body) {
  const auto begin = journal::DecodeBegin(body);
  if (!begin.ok()) return;
  std::string again;
  journal::AppendBegin(again, *begin);
  TIDEMARK_CHECK(journal::DecodeBegin(FirstBody(again)).ok());
}

void TakeImage(const journal::DirectoryImage& image) {
  for (const tidemark::GroupId group : image.Groups()) {
    for (const tidemark::FileId& file : image.List(group)) {
      const auto size = image.Size(file);
      // Files that claim to be large would take memory, not find anything.
      if (!size.ok() || *size > (1u << 20)) continue;
      const auto contents = image.Contents(file);
      if (contents.ok()) TIDEMARK_CHECK_EQ(contents->size(), *size);
      (void)image.ReadAt(file, tidemark::FilePos(*size / 2), 100);
    }
  }
}

// Fills in what checksums can be: those of frames whose length fits.
std::string Sealed(std::string_view input) {
  std::string whole;
  uint32_t chain = 0;
  while (input.size() >= journal::kFrameHeaderBytes) {
    const size_t bytes = journal::kFrameHeaderBytes + static_cast<uint8_t>(input[0]) +
                         256 * static_cast<uint8_t>(input[1]);
    if (bytes > input.size()) break;
    std::string frame(input.substr(0, bytes));
    frame[2] = frame[3] = '\0';
    journal::Seal(frame, chain);
    whole += frame;
    input.remove_prefix(bytes);
  }
  return whole.append(input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  journal::FrameReader raw;
  if (raw.Open(Bytes::Copy(input)).ok()) {
    while (true) {
      const auto frame = raw.Next();
      if (!frame.ok() || !frame->has_value()) break;
    }
  }
  journal::FrameReader reader;
  TIDEMARK_CHECK(reader.Open(Bytes::From(journal::EncodeFileHeader({}) + Sealed(input))).ok());
  journal::DirectoryImage image;
  for (;;) {
    const auto frame = reader.Next();
    if (!frame.ok() || !frame->has_value()) break;
    const Bytes& body = (*frame)->body;
    switch ((*frame)->kind) {
      case journal::FrameKind::kBegin:
        TakeBegin(body);
        break;
      case journal::FrameKind::kFile:
      case journal::FrameKind::kBytes:
        (void)image.Add(**frame);
        break;
      case journal::FrameKind::kEvent:
        TakeEvent(body);
        break;
      case journal::FrameKind::kStep:
        (void)journal::DecodeStep(body);
        break;
      case journal::FrameKind::kEffects:
        (void)journal::DecodeEffects(body);
        break;
      case journal::FrameKind::kEnd:
        (void)journal::DecodeEnd(body);
        break;
    }
  }
  TakeImage(image);
  return 0;
}
