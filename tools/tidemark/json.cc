#include "tools/tidemark/json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "absl/strings/str_cat.h"

namespace tidemark {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void AppendMessage(std::string& to, const Message& message, int depth);

void NewLine(std::string& to, int depth) {
  to.push_back('\n');
  to.append(static_cast<size_t>(depth) * 2, ' ');
}

// The value of a field; `index` counts in a repeated one and is -1 otherwise.
void AppendValue(std::string& to, const Message& message, const FieldDescriptor* field, int index,
                 int depth) {
  const Reflection& reflection = *message.GetReflection();
  const bool repeated = index >= 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      absl::StrAppend(&to, repeated ? reflection.GetRepeatedInt32(message, field, index)
                                    : reflection.GetInt32(message, field));
      return;
    case FieldDescriptor::CPPTYPE_INT64:
      absl::StrAppend(&to, repeated ? reflection.GetRepeatedInt64(message, field, index)
                                    : reflection.GetInt64(message, field));
      return;
    case FieldDescriptor::CPPTYPE_UINT32:
      absl::StrAppend(&to, repeated ? reflection.GetRepeatedUInt32(message, field, index)
                                    : reflection.GetUInt32(message, field));
      return;
    case FieldDescriptor::CPPTYPE_UINT64:
      absl::StrAppend(&to, repeated ? reflection.GetRepeatedUInt64(message, field, index)
                                    : reflection.GetUInt64(message, field));
      return;
    case FieldDescriptor::CPPTYPE_BOOL:
      to.append((repeated ? reflection.GetRepeatedBool(message, field, index)
                          : reflection.GetBool(message, field))
                    ? "true"
                    : "false");
      return;
    case FieldDescriptor::CPPTYPE_ENUM:
      to.append(JsonString((repeated ? reflection.GetRepeatedEnum(message, field, index)
                                     : reflection.GetEnum(message, field))
                               ->name()));
      return;
    case FieldDescriptor::CPPTYPE_STRING:
      to.append(JsonString(repeated ? reflection.GetRepeatedString(message, field, index)
                                    : reflection.GetString(message, field)));
      return;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      AppendMessage(to,
                    repeated ? reflection.GetRepeatedMessage(message, field, index)
                             : reflection.GetMessage(message, field),
                    depth);
      return;
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      to.append("null");  // the API has none
      return;
  }
}

// A map entry's key as an object key: always quoted.
void AppendKey(std::string& to, const Message& entry) {
  std::string key;
  AppendValue(key, entry, entry.GetDescriptor()->field(0), -1, 0);
  to.append(key.front() == '"' ? key : absl::StrCat("\"", key, "\""));
}

void AppendRepeated(std::string& to, const Message& message, const FieldDescriptor* field,
                    int depth) {
  const int count = message.GetReflection()->FieldSize(message, field);
  const bool map = field->is_map();
  to.push_back(map ? '{' : '[');
  for (int i = 0; i < count; ++i) {
    if (i > 0) to.append(", ");
    if (map) {
      const Message& entry = message.GetReflection()->GetRepeatedMessage(message, field, i);
      AppendKey(to, entry);
      to.append(": ");
      AppendValue(to, entry, entry.GetDescriptor()->field(1), -1, depth + 1);
    } else {
      AppendValue(to, message, field, i, depth + 1);
    }
  }
  to.push_back(map ? '}' : ']');
}

void AppendMessage(std::string& to, const Message& message, int depth) {
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  to.push_back('{');
  bool first = true;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* const field = type.field(i);
    if (field->has_presence() && !message.GetReflection()->HasField(message, field)) continue;
    if (!first) to.push_back(',');
    first = false;
    NewLine(to, depth + 1);
    absl::StrAppend(&to, "\"", field->name(), "\": ");
    if (field->is_repeated()) {
      AppendRepeated(to, message, field, depth + 1);
    } else {
      AppendValue(to, message, field, -1, depth + 1);
    }
  }
  if (!first) NewLine(to, depth);
  to.push_back('}');
}

}  // namespace

std::string JsonString(const std::string& text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string to = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        to.append("\\\"");
        break;
      case '\\':
        to.append("\\\\");
        break;
      case '\n':
        to.append("\\n");
        break;
      case '\t':
        to.append("\\t");
        break;
      case '\r':
        to.append("\\r");
        break;
      default: {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
          to.append("\\u00");
          to.push_back(kHex[byte >> 4]);
          to.push_back(kHex[byte & 15]);
        } else {
          to.push_back(c);
        }
      }
    }
  }
  to.push_back('"');
  return to;
}

std::string JsonOf(const google::protobuf::Message& message) {
  std::string to;
  AppendMessage(to, message, 0);
  to.push_back('\n');
  return to;
}

}  // namespace tidemark
