// What a person wants to see, made of the marks once: how long each node had which role, was down,
// paused or out of space, and who could not reach whom.
const model = (() => {
  const c = data.columns;
  const K = data.kindOf;
  const end = Math.max(data.end, 1);
  const nodes = data.lanes.flatMap((lane, i) => (lane.node ? [i] : []));
  const kindName = data.kinds.map(([name]) => name);
  const families = [...new Set(data.kinds.map(([, family]) => family))];
  const familyOfKind = data.kinds.map(([, family]) => families.indexOf(family));
  const messageKinds = new Set(
      ['vote', 'append', 'heartbeat', 'append_reply', 'heartbeat_reply', 'snapshot', 'read', 'command',
       'transfer', 'gossip', 'request', 'answer']
          .map((name) => K[name]));
  const isMessage = data.kinds.map((_, i) => messageKinds.has(i));
  // Kinds whose mark lies across time but is no message.
  const isSpan = data.kinds.map((_, i) => i === K.flush || i === K.batch || i === K.pause);

  // When each mark is over; what never ended lasts as long as its node, or to the end.
  const finish = new Float64Array(data.count);
  const roles = data.lanes.map(() => new Map());  // by lane, by group: [{begin, end, mark}]
  const down = data.lanes.map(() => []);
  const paused = data.lanes.map(() => []);
  const full = data.lanes.map(() => []);
  const blocked = [];  // [{begin, end, mark, pairs: ["0 1", ...]}], one behind the other

  function close(spans, at) {
    const last = spans[spans.length - 1];
    if (last && last.end === null) last.end = at;
  }

  function build() {
    const openFlushes = data.lanes.map(() => []);
    const cut = new Set();
    const changeOfCut = (at, mark) => {
      const last = blocked[blocked.length - 1];
      if (last && last.end === null) {
        last.end = at;
        if (last.begin === at) blocked.pop();
      }
      if (cut.size) blocked.push({begin: at, end: null, mark, pairs: [...cut].sort()});
    };
    for (let i = 0; i < data.count; ++i) {
      const at = c.begin[i];
      const lane = c.lane[i];
      finish[i] = c.length[i] < 0 ? end : at + c.length[i];
      switch (c.kind[i]) {
        case K.role: {
          if (!roles[lane].has(c.group[i])) roles[lane].set(c.group[i], []);
          const spans = roles[lane].get(c.group[i]);
          close(spans, at);
          spans.push({begin: at, end: null, mark: i});
          break;
        }
        case K.removed:
        case K.storage_failed:
          close(roles[lane].get(c.group[i]) || [], at);
          break;
        case K.power_loss:
        case K.kill:
        case K.stopped:
          for (const spans of roles[lane].values()) close(spans, at);
          close(paused[lane], at);
          down[lane].push({begin: at, end: null, mark: i});
          for (const flush of openFlushes[lane]) finish[flush] = at;
          openFlushes[lane] = [];
          break;
        case K.start:
          close(down[lane], at);
          break;
        case K.pause:
          paused[lane].push({begin: at, end: finish[i], mark: i});
          break;
        case K.disk_full:
          close(full[lane], at);
          full[lane].push({begin: at, end: null, mark: i});
          break;
        case K.disk_space:
          close(full[lane], at);
          break;
        case K.block:
          cut.add(`${lane} ${c.peer[i]}`);
          changeOfCut(at, i);
          break;
        case K.heal:
          cut.clear();
          changeOfCut(at, i);
          break;
        case K.flush:
          if (c.length[i] < 0) openFlushes[lane].push(i);
          break;
      }
    }
    for (const lane of data.lanes.keys()) {
      for (const spans of [...roles[lane].values(), down[lane], full[lane]]) close(spans, end);
    }
    close(blocked, end);
  }
  build();

  // How far before a moment marks may begin that still go on then, with a bound: what lasts longer
  // is looked for by itself.
  let reach = 0;
  const long = [];
  for (let i = 0; i < data.count; ++i) {
    const length = finish[i] - c.begin[i];
    if (length > 2e9) long.push(i);
    else if (length > reach) reach = length;
  }

  // The first mark that begins at `time` or later.
  function firstAt(time) {
    let low = 0;
    let high = data.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (c.begin[middle] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  const laneName = (lane) => (lane < 0 ? '' : data.lanes[lane].name);
  // The same for where there is little room: ids near 2^32 differ in their last digits.
  const shortName = (lane) => laneName(lane).replace(/\d{6,}$/, (id) => `…${id.slice(-4)}`);
  const groupNames = new Map(data.groups.map((group) => [group.id, group.name]));
  const groupName = (group) => groupNames.get(group) || `group ${group}`;
  const text = (i) => data.texts[c.text[i]];

  function range(first, count, one, many) {
    if (count <= 0) return '';
    return count === 1 ? `${one} ${first}` : `${many} ${first}..${first + count - 1}`;
  }
  const entries = (i) => range(c.index[i], c.entries[i], 'index', 'indexes');
  const offsets = (i) => range(c.offset[i], c.offsets[i], 'offset', 'offsets');
  const both = (i) => [entries(i), offsets(i)].filter(Boolean).join(', ');

  // What a mark says, without when and where.
  function say(i) {
    const name = kindName[c.kind[i]];
    const to = laneName(c.peer[i]);
    const outcome = c.outcome[i] > 1 ? ` (${data.outcomes[c.outcome[i]]})` : '';
    switch (name) {
      case 'role':
        return `${text(i)} in term ${c.term[i]}` +
            (text(i) === 'follower' && to ? `, behind ${to}` : '');
      case 'found': return `finds ${both(i)} in its log`;
      case 'appended': return `appends ${both(i)}, term ${c.term[i]}`;
      case 'cut': return `cuts ${entries(i)} from its log`;
      case 'committed': return `knows ${both(i)} to be committed`;
      case 'trimmed': return `log begins at index ${c.index[i]} now`;
      case 'storage_failed': return `storage failed: ${text(i)}`;
      case 'reopened': return 'reads its files again';
      case 'removed': return 'removes the group';
      case 'vote': return `${text(i)}, to ${to}, term ${c.term[i]}${outcome}`;
      case 'append':
        return c.entries[i] ? `appends ${both(i)} to ${to}${outcome}` : `${text(i)}, to ${to}${outcome}`;
      case 'heartbeat': return `heartbeat to ${to}, term ${c.term[i]}${outcome}`;
      case 'append_reply': return `${text(i)}: index ${c.index[i]}, to ${to}${outcome}`;
      case 'heartbeat_reply':
        return `answers ${to}'s heartbeat${text(i) ? ': ' + text(i) : ''}${outcome}`;
      case 'snapshot':
        return `${text(i)}, to ${to}` + (c.index[i] ? `: index ${c.index[i]}` : '') + outcome;
      case 'command': return `${text(i)}, to ${to}${outcome}`;
      case 'read': return `${text(i)}, to ${to}${outcome}`;
      case 'transfer': return `${to} ${text(i)}${outcome}`;
      case 'gossip': return `gossip to ${to}${outcome}`;
      case 'link_up': return `connected to ${to}`;
      case 'link_down': return `connection to ${to} breaks`;
      case 'request': return `${text(i)}, asked of ${to}${outcome}`;
      case 'answer': return `${text(i)}, answered to ${to}${outcome}`;
      case 'batch':
        return `batch ${c.batch[i]}` + (c.outcome[i] ? ', not acknowledged' : `, ${offsets(i)}`);
      case 'ack': return `batch ${c.batch[i]} acknowledged at ${offsets(i)}`;
      case 'refused': return `refused: ${text(i)}`;
      case 'delivered': return `is given ${offsets(i)}`;
      case 'flush':
        return `flush of ${c.bytes[i]} bytes` + (c.outcome[i] === 1 ? ' (cut short)' : outcome);
      case 'disk_full': return 'disk is full';
      case 'disk_space': return 'disk has space again';
      case 'rot': return `rots: ${text(i)}`;
      case 'power_loss': return 'loses power';
      case 'kill': return 'is killed';
      case 'shutdown': return 'is asked to shut down';
      case 'stopped': return 'has shut down';
      case 'start': return 'starts';
      case 'pause': return `pauses for ${(c.length[i] / 1e6).toFixed(1)} ms`;
      case 'block': return `cannot reach ${to}`;
      case 'heal': return 'the network heals';
      case 'clock': return `wall clock set ${text(i)}`;
      default: return text(i);
    }
  }

  // What the verdict is about: entries and offsets it names, in the groups it names; if it names
  // none, roles and votes of its terms; if none of these either, what its nodes, or else its
  // groups, did last.
  function offending() {
    const named = (what) => data.verdict.culprits.filter(([w]) => w === what).map(([, n]) => n);
    if (!data.verdict.oracle) return [];
    const groups = new Set(named('group'));
    const ofGroup = (i) => !groups.size || groups.has(c.group[i]);
    const inside = (n, first, count) => count > 0 && n >= first && n < first + count;
    const indexes = named('index');
    const places = named('offset');
    const batches = named('batch');
    const producers = new Set(named('producer').map((n) => `producer ${n}`));
    const found = [];
    const collect = (test) => {
      for (let i = 0; i < data.count; ++i) if (ofGroup(i) && test(i)) found.push(i);
    };
    const terms = named('term');
    const nodesNamed = new Set(named('node').map((n) => `node ${n}`));
    const leads = (i) => c.kind[i] === K.role && terms.includes(c.term[i]) &&
        text(i) === 'leader' && nodesNamed.has(laneName(c.lane[i]));
    collect((i) => indexes.some((n) => inside(n, c.index[i], c.entries[i])) ||
        places.some((n) => inside(n, c.offset[i], c.offsets[i]) && c.outcome[i] !== 1) ||
        (batches.includes(c.batch[i]) && producers.has(laneName(c.lane[i]))) ||
        ((indexes.length || places.length) && leads(i)));
    if (!found.length) {
      collect((i) => terms.includes(c.term[i]) && (c.kind[i] === K.role || c.kind[i] === K.vote));
    }
    if (!found.length) {
      const lanes = new Set(['node', 'producer', 'consumer'].flatMap(
          (what) => named(what).map((n) => `${what} ${n}`)));
      collect((i) => (lanes.size ? lanes.has(laneName(c.lane[i])) : groups.size > 0) &&
          !isMessage[c.kind[i]]);
      found.splice(0, found.length - 40);
    }
    return found;
  }

  const verdictMark = c.kind.lastIndexOf(K.verdict);
  return {
    c, K, end, nodes, kindName, families, familyOfKind, isMessage, isSpan, finish, roles, down,
    paused, full, blocked, reach, long, firstAt, laneName, shortName, groupName, text, say, entries, offsets,
    offending: offending(), verdictMark,
  };
})();
