// The cells of coverage as the API sends them: a line of JSON, then a byte for each symbol and session.
const LINE_FEED = 10;

// Names are those of the page's language, as far as the symbol list has them.
export const parse = (buffer, language) => {
  const bytes = new Uint8Array(buffer);
  const end = bytes.indexOf(LINE_FEED);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  const titles = language === 'en' ? head.names.map((name, i) => head.names_en[i] || name) : head.names;
  return { ...head, titles, cells: bytes.subarray(end + 1), width: head.sessions.length };
};

// The rank of each state: of symbols that share a pixel, the one with the highest is shown.
export const rank = (states, severity) => Uint8Array.from(states, (state) => severity.indexOf(state));

// Counts the cells of some symbols by state, and what a backfill takes of them: by session, by symbol, and how many
// symbols and sessions have any.
export const count = (grid, gaps, rows = grid.symbols.keys()) => {
  const isGap = Uint8Array.from(grid.states, (state) => (gaps.includes(state) ? 1 : 0));
  const bySession = new Uint32Array(grid.width);
  const bySymbol = new Uint32Array(grid.symbols.length);
  const byState = new Uint32Array(grid.states.length);
  for (const i of rows) {
    for (let j = 0, k = i * grid.width; j < grid.width; j++, k++) {
      byState[grid.cells[k]]++;
      if (isGap[grid.cells[k]]) {
        bySession[j]++;
        bySymbol[i]++;
      }
    }
  }
  const some = (counts) => counts.reduce((sum, n) => sum + (n > 0), 0);
  const cells = bySession.reduce((sum, n) => sum + n, 0);
  return { isGap, bySession, bySymbol, byState, cells, symbols: some(bySymbol), sessions: some(bySession) };
};

const SCALES = ['TOPIX Core30', 'TOPIX Large70', 'TOPIX Mid400', 'TOPIX Small 1', 'TOPIX Small 2', ''];

// The rows of the map: places of symbols in an order, and the bands of neighbours that have one name.
export const arrange = (grid, counts, { group, q, sectors, words }) => {
  const fold = (text) => text.normalize('NFKC').toLowerCase();
  const wanted = fold(q).trim().split(/\s+/).filter(Boolean);
  const sectorOf = (i) => sectors[grid.sectors[i]]?.[0] ?? words.no_sector;
  const text = (i) => fold(`${grid.symbols[i]} ${grid.names[i]} ${grid.names_en[i]} ${sectors[grid.sectors[i]]?.join(' ') ?? ''}`);
  let rows = [...grid.symbols.keys()];
  if (wanted.length) rows = rows.filter((i) => wanted.every((word) => text(i).includes(word)));
  const scale = (i) => SCALES.indexOf(grid.scales[i]);
  const key = { sector: (i) => grid.sectors[i] || '9999', size: scale, worst: (i) => -counts.bySymbol[i], symbol: () => 0 }[group];
  const keys = new Map(rows.map((i) => [i, key(i)]));
  rows.sort((a, b) => (keys.get(a) < keys.get(b) ? -1 : keys.get(a) > keys.get(b) ? 1 : a - b));
  const name = { sector: sectorOf, size: (i) => grid.scales[i] || '–', worst: null, symbol: null }[group];
  const bands = [];
  if (name) {
    rows.forEach((i, at) => {
      if (bands.at(-1)?.key !== keys.get(i)) bands.push({ key: keys.get(i), name: name(i), from: at, to: at });
      bands.at(-1).to = at + 1;
    });
  }
  return { rows, bands };
};

// The share of symbol sessions with data that a backfill would not take, over the newest sessions of a band.
export const shareComplete = (grid, counts, rows, sessions) => {
  const empty = grid.states.indexOf('empty');
  let all = 0;
  let fine = 0;
  for (const i of rows) {
    for (let j = Math.max(0, grid.width - sessions); j < grid.width; j++) {
      const state = grid.cells[i * grid.width + j];
      if (state === empty) continue;
      all++;
      if (!counts.isGap[state]) fine++;
    }
  }
  return all ? Math.floor((1000 * fine) / all) / 10 : null;
};
