"""Pages with planted data: the page that tidemark-sim writes, with other marks in it.

Packs columns as sim/timeline/columns.h says, so that the format has two writers and one reader.
"""

import base64
import json
import random
import re

FIELDS = ("begin", "length", "kind", "outcome", "lane", "peer", "group", "term", "index", "entries",
          "offset", "offsets", "batch", "bytes", "text")
NONE = {"lane": -1, "peer": -1, "group": -1}
DATA = re.compile(r'(<script type="application/json" id="data">)(.*?)(</script>)', re.S)


def data_of(page):
    """What a page has embedded, its columns still packed."""
    return json.loads(DATA.search(page).group(2))


def varint(number):
    number = number << 1 if number >= 0 else (-number << 1) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def pack(numbers):
    out = bytearray()
    before, at = 0, 0
    while at < len(numbers):
        difference = numbers[at] - before
        before = numbers[at]
        out += varint(difference)
        at += 1
        if difference == 0:
            first = at
            while at < len(numbers) and numbers[at] == before:
                at += 1
            out += varint(at - first)
    return base64.b64encode(bytes(out)).decode()


class Planted:
    """Marks to be put into a page; its tables (kinds, outcomes, lanes) are those of the page."""

    def __init__(self, page):
        self.page = page
        self.data = data_of(page)
        self.kinds = [name for name, _ in self.data["kinds"]]
        self.marks = []

    def text(self, text):
        if text not in self.data["texts"]:
            self.data["texts"].append(text)
        return self.data["texts"].index(text)

    def add(self, kind, begin, **fields):
        if "text" in fields:
            fields["text"] = self.text(fields["text"])
        self.marks.append({**{name: NONE.get(name, 0) for name in FIELDS}, **fields,
                           "kind": self.kinds.index(kind), "begin": begin})

    def fail(self, oracle, what, culprits, at):
        self.data["verdict"] = {"oracle": oracle, "what": what, "culprits": culprits}
        self.data["end"] = at
        self.add("verdict", at, text=f"{oracle}: {what}")

    def write(self, path):
        self.marks.sort(key=lambda mark: mark["begin"])
        self.data["count"] = len(self.marks)
        self.data["columns"] = {name: pack([mark[name] for mark in self.marks]) for name in FIELDS}
        text = json.dumps(self.data, separators=(",", ":")).replace("<", "\\u003c")
        with open(path, "w") as file:
            file.write(DATA.sub(lambda found: found.group(1) + text + found.group(3), self.page))

    def fill(self, count, end):
        """A long run of three nodes: `count` marks in all when they are added to those there are."""
        draw = random.Random(1)
        self.data["lanes"] = [{"name": f"node {n}", "node": True} for n in (1, 2, 3)]
        self.data["lanes"] += [{"name": "producer 8", "node": False}]
        self.data["groups"] = [{"id": 0, "name": "catalog"}, {"id": 1, "name": "orders/0"}]
        self.data["end"] = end
        for node in range(3):
            self.add("start", 0, lane=node)
        term, index, election = 0, 1, 0
        while len(self.marks) < count:
            now = int(end * len(self.marks) / count)
            if len(self.marks) >= election:
                election += 5000
                term += 1
                for node in range(3):
                    self.add("role", now, lane=node, peer=term % 3, group=1, term=term,
                             text="leader" if node == term % 3 else "follower")
            leader = term % 3
            for node in range(3):
                self.add("appended", now + node, lane=node, group=1, term=term, index=index, entries=1,
                         offset=index, offsets=1, bytes=100)
                if node == leader:
                    continue
                took = draw.randrange(100_000, 4_000_000)
                self.add("append", now, length=took, lane=leader, peer=node, group=1, term=term,
                         index=index, entries=1, outcome=2 if draw.random() < 0.02 else 0)
                self.add("append_reply", now + took, length=took, lane=node, peer=leader, group=1,
                         term=term, index=index)
                self.add("gossip", now, length=took, lane=node, peer=leader)
            self.add("flush", now, length=draw.randrange(50_000, 9_000_000), lane=leader, group=1,
                     bytes=4096)
            self.add("committed", now + 5_000_000, lane=leader, group=1, term=term, index=index,
                     entries=1, offset=index, offsets=1)
            index += 1
        del self.marks[count:]
