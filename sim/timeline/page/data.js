'use strict';

// Reads what the run left: tables, and a column of numbers for each field of a mark. The writer is
// sim/timeline/page.cc, the packing that of sim/timeline/columns.h.
const data = (() => {
  function unpack(text, count) {
    const bytes = atob(text);
    const numbers = new Float64Array(count);
    let at = 0;
    const varint = () => {
      let value = 0;
      for (let scale = 1; ; scale *= 128) {
        const byte = bytes.charCodeAt(at++);
        value += (byte & 127) * scale;
        if (byte < 128) break;
      }
      return value % 2 ? -(value + 1) / 2 : value / 2;
    };
    for (let i = 0, before = 0; i < count;) {
      const difference = varint();
      before += difference;
      numbers[i++] = before;
      if (difference !== 0) continue;
      for (let same = varint(); same > 0; --same) numbers[i++] = before;
    }
    return numbers;
  }

  const read = JSON.parse(document.getElementById('data').textContent);
  for (const name of Object.keys(read.columns)) {
    read.columns[name] = unpack(read.columns[name], read.count);
  }
  read.kindOf = Object.fromEntries(read.kinds.map(([name], i) => [name, i]));
  return read;
})();
