#pragma once

#include <string>

namespace google::protobuf {
class Message;
}

namespace tidemark {

// `message` as JSON on several lines, for scripts: the proto's own field names, all fields also
// when zero, 64-bit numbers as numbers (protobuf's own form quotes them), enums by name, bytes
// escaped as text.
std::string JsonOf(const google::protobuf::Message& message);

// `text` in quotes, escaped. Bytes that are not ASCII are passed through: UTF-8 stays readable.
std::string JsonString(const std::string& text);

}  // namespace tidemark
