#include "sim/timeline/page.h"

#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "sim/json.h"
#include "sim/plan.h"
#include "sim/timeline/columns.h"
#include "sim/timeline/culprits.h"
#include "sim/timeline/page_parts.h"

namespace tidemark::sim {
namespace {

// JsonString for the inside of <script>, in ASCII. Other bytes become the code points of the same
// number: texts are the product's own words and file names, which have none.
std::string Quoted(std::string_view text) {
  std::string out;
  for (const char c : JsonString(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x7e || c == '<') {
      absl::StrAppend(&out, absl::StrFormat("\\u%04x", static_cast<unsigned>(byte)));
    } else {
      out.push_back(c);
    }
  }
  return out;
}

// A JSON object or array, written piece by piece.
class JsonWriter {
 public:
  explicit JsonWriter(char open) : text_(1, open), close_(open == '{' ? '}' : ']') {}

  JsonWriter& Item(std::string_view json) {
    if (text_.size() > 1) text_.push_back(',');
    text_.append(json);
    return *this;
  }
  JsonWriter& Field(std::string_view name, std::string_view json) {
    return Item(absl::StrCat(Quoted(name), ":", std::string(json)));
  }
  JsonWriter& Text(std::string_view name, std::string_view text) {
    return Field(name, Quoted(text));
  }
  JsonWriter& Number(std::string_view name, int64_t number) {
    return Field(name, absl::StrCat(number));
  }
  std::string Done() { return std::move(text_) + close_; }

 private:
  std::string text_;
  char close_;
};

std::string LanesOf(const Timeline& timeline) {
  JsonWriter lanes('[');
  for (const Timeline::Lane& lane : timeline.lanes()) {
    lanes.Item(JsonWriter('{')
                   .Text("name", lane.name)
                   .Field("node", lane.is_node ? "true" : "false")
                   .Done());
  }
  return lanes.Done();
}

std::string GroupsOf(const Timeline& timeline) {
  JsonWriter groups('[');
  for (const auto& [group, name] : timeline.groups()) {
    groups.Item(JsonWriter('{')
                    .Number("id", static_cast<int64_t>(group.value()))
                    .Text("name", name)
                    .Done());
  }
  return groups.Done();
}

std::string KindsJson() {
  JsonWriter kinds('[');
  for (size_t i = 0; i < static_cast<size_t>(MarkKind::kCount); ++i) {
    const MarkKind kind = static_cast<MarkKind>(i);
    kinds.Item(JsonWriter('[').Item(Quoted(NameOf(kind))).Item(Quoted(FamilyOf(kind))).Done());
  }
  return kinds.Done();
}

std::string OutcomesJson() {
  JsonWriter outcomes('[');
  for (size_t i = 0; i < static_cast<size_t>(Outcome::kCount); ++i) {
    outcomes.Item(Quoted(NameOf(static_cast<Outcome>(i))));
  }
  return outcomes.Done();
}

std::string VerdictOf(const Timeline& timeline) {
  JsonWriter culprits('[');
  for (const Culprit& culprit : CulpritsIn(timeline.what())) {
    culprits.Item(
        JsonWriter('[').Item(Quoted(culprit.what)).Item(absl::StrCat(culprit.number)).Done());
  }
  return JsonWriter('{')
      .Text("oracle", timeline.oracle())
      .Text("what", timeline.what())
      .Field("culprits", culprits.Done())
      .Done();
}

std::string ColumnsOf(const std::vector<Mark>& marks) {
  const auto number = [](auto strong) { return static_cast<int64_t>(strong.value()); };
  const auto lane = [](LaneId id) { return id == kNoLane ? int64_t{-1} : int64_t{id}; };
  const std::pair<std::string_view, std::function<int64_t(const Mark&)>> columns[] = {
      {"begin", [](const Mark& m) { return m.begin.nanos(); }},
      {"length",
       [](const Mark& m) {
         return m.end == Instant::Never() ? int64_t{-1} : (m.end - m.begin).nanos();
       }},
      {"kind", [](const Mark& m) { return static_cast<int64_t>(m.kind); }},
      {"outcome", [](const Mark& m) { return static_cast<int64_t>(m.outcome); }},
      {"lane", [&](const Mark& m) { return lane(m.lane); }},
      {"peer", [&](const Mark& m) { return lane(m.peer); }},
      {"group", [&](const Mark& m) { return m.has_group ? number(m.group) : int64_t{-1}; }},
      {"term", [&](const Mark& m) { return number(m.term); }},
      {"index", [&](const Mark& m) { return number(m.index); }},
      {"entries", [](const Mark& m) { return static_cast<int64_t>(m.entries); }},
      {"offset", [&](const Mark& m) { return number(m.offset); }},
      {"offsets", [](const Mark& m) { return static_cast<int64_t>(m.offsets); }},
      {"batch", [](const Mark& m) { return static_cast<int64_t>(m.batch); }},
      {"bytes", [](const Mark& m) { return static_cast<int64_t>(m.bytes); }},
      {"text", [](const Mark& m) { return static_cast<int64_t>(m.text); }},
  };
  JsonWriter out('{');
  std::vector<int64_t> numbers(marks.size());
  for (const auto& [name, field] : columns) {
    for (size_t i = 0; i < marks.size(); ++i) numbers[i] = field(marks[i]);
    out.Text(name, EncodeColumn(numbers));
  }
  return out.Done();
}

}  // namespace

std::string PageData(const PageTitle& title, const Timeline& timeline) {
  JsonWriter texts('[');
  for (const std::string& text : timeline.texts()) texts.Item(Quoted(text));
  return JsonWriter('{')
      .Text("run", title.run)
      .Text("summary", title.summary)
      .Text("replay", title.replay)
      .Text("hash", absl::StrFormat("%016x", title.hash))
      .Text("version", Version())
      .Number("end", timeline.end().nanos())
      .Field("verdict", VerdictOf(timeline))
      .Field("lanes", LanesOf(timeline))
      .Field("groups", GroupsOf(timeline))
      .Field("kinds", KindsJson())
      .Field("outcomes", OutcomesJson())
      .Field("texts", texts.Done())
      .Number("count", static_cast<int64_t>(timeline.marks().size()))
      .Field("columns", ColumnsOf(timeline.marks()))
      .Done();
}

std::string Page(std::string_view data) {
  const PageParts parts = ThePageParts();
  // In one pass: what is put in is not looked at again.
  return absl::StrReplaceAll(std::string(parts.html), {{"@style@", std::string(parts.style)},
                                                       {"@script@", std::string(parts.script)},
                                                       {"@data@", std::string(data)}});
}

}  // namespace tidemark::sim
