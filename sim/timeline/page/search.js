// Which marks a search means: words and field:value, all of which must hold; a minus before one
// turns it round. Everything that needs text is looked up in the tables once, not for each mark.
const search = (() => {
  const {c} = model;

  function inTable(table, word) {
    const hits = table.map((entry) => entry.toLowerCase().includes(word));
    return (id) => id >= 0 && hits[id];
  }

  function number(value) {
    const [low, high] = value.split('..');
    const first = low === '' ? -Infinity : Number(low);
    const last = high === undefined ? first : high === '' ? Infinity : Number(high);
    return Number.isNaN(first) || Number.isNaN(last) ? null : [first, last];
  }

  const laneNames = data.lanes.map((lane) => lane.name);
  const groupNames = new Map(data.groups.map(({id, name}) => [id, name.toLowerCase()]));

  // "2" is node 2 and not node 12.
  function lanesNamed(word) {
    return laneNames.map((name) => name.toLowerCase() === word ||
        name.toLowerCase().endsWith(` ${word}`));
  }
  const among = (lanes, column) => (i) => column[i] >= 0 && lanes[column[i]];

  function fieldTest(field, value) {
    const bounds = number(value);
    const overlaps = (first, count) => (i) => bounds !== null && count[i] > 0 &&
        first[i] <= bounds[1] && first[i] + count[i] > bounds[0];
    const within = (column) => (i) => bounds !== null && column[i] >= bounds[0] &&
        column[i] <= bounds[1];
    switch (field) {
      case 'node':
      case 'lane':
      case 'client': {
        const lanes = lanesNamed(value);
        return (i) => among(lanes, c.lane)(i) || among(lanes, c.peer)(i);
      }
      case 'from': return among(lanesNamed(value), c.lane);
      case 'to': return among(lanesNamed(value), c.peer);
      case 'kind': {
        const kinds = data.kinds.map(([name, family]) => name === value || family === value);
        return (i) => kinds[c.kind[i]];
      }
      case 'group':
        return bounds ? within(c.group) : (i) => groupNames.get(c.group[i])?.includes(value);
      case 'offset': {
        const inside = overlaps(c.offset, c.offsets);
        return (i) => c.outcome[i] !== 1 && inside(i);
      }
      case 'index': {
        const inside = overlaps(c.index, c.entries);
        const exact = within(c.index);
        return (i) => inside(i) || (c.kind[i] === model.K.append_reply && exact(i));
      }
      case 'term': return within(c.term);
      case 'batch': return within(c.batch);
      case 'bytes': return within(c.bytes);
      case 'outcome': {
        const hit = inTable(data.outcomes, value);
        return (i) => hit(c.outcome[i]);
      }
      case 't':
        return (i) => bounds !== null && c.begin[i] <= bounds[1] * 1e9 &&
            model.finish[i] >= bounds[0] * 1e9;
      case 'is':
        if (value === 'offending') {
          const set = new Set(model.offending);
          return (i) => set.has(i);
        }
        return () => false;
      default:
        return null;
    }
  }

  function wordTest(word) {
    const kind = inTable(model.kindName, word);
    const text = inTable(data.texts, word);
    const lane = inTable(laneNames, word);
    const outcome = inTable(data.outcomes, word);
    return (i) => kind(c.kind[i]) || text(c.text[i]) || lane(c.lane[i]) ||
        (c.outcome[i] > 1 && outcome(c.outcome[i]));
  }

  // The marks, ascending; null if nothing is searched for.
  return function find(query) {
    const tests = [];
    for (const term of query.toLowerCase().match(/[^\s"]*"[^"]*"?|\S+/g) || []) {
      const no = term.startsWith('-') && term.length > 1;
      const bare = (no ? term.slice(1) : term).replaceAll('"', '');
      const colon = bare.indexOf(':');
      const field = colon > 0 ? fieldTest(bare.slice(0, colon), bare.slice(colon + 1)) : null;
      const test = field || wordTest(bare);
      tests.push(no ? (i) => !test(i) : test);
    }
    if (!tests.length) return null;
    const found = [];
    for (let i = 0; i < data.count; ++i) if (tests.every((test) => test(i))) found.push(i);
    return found;
  };
})();
