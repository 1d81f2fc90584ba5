// A field with `data-symbols` offers listed symbols while somebody types: by code, Japanese or English name. With
// `data-symbols="several"` it holds several, and what is typed last is looked up; one with `data-go` is sent at once.
const WAIT_MS = 120;
const ASKED = 50;
const MOST = 8;
const known = new Map();
const list = document.createElement('ul');
list.id = 'symbol-options';
list.className = 'options';
list.setAttribute('role', 'listbox');
list.hidden = true;
let field = null;
let timer = 0;
let at = -1;

const fold = (text) => text.normalize('NFKC').toLowerCase();

// Where the words begin that are being typed: in a field of several, after the last comma or code.
const BEFORE = /^(?:[^,、]*[,、]|\s*\d[\dA-Za-z]{3}(?=[\s,、]))*\s*/;
const begin = () => (field.dataset.symbols === 'several' ? BEFORE.exec(field.value.slice(0, field.selectionStart))[0].length : 0);

const typed = () => fold(field.value.slice(begin(), field.selectionStart).trim());

const ask = async (word) => {
  if (!known.has(word)) {
    const answer = await fetch(`/api/v1/symbols?${new URLSearchParams({ q: word, limit: ASKED })}`).catch(() => null);
    if (!answer?.ok) return [];
    known.set(word, (await answer.json()).items);
  }
  return known.get(word);
};

// The API also finds the symbols of a sector: they come last.
const rank = (item, word) => {
  if (item.symbol.toLowerCase().startsWith(word)) return 0;
  const names = [fold(item.name), fold(item.name_en)];
  return names.some((name) => name.startsWith(word)) ? 1 : names.some((name) => name.includes(word)) ? 2 : 3;
};

const close = () => {
  clearTimeout(timer);
  list.hidden = true;
  at = -1;
  field?.setAttribute('aria-expanded', 'false');
  field?.removeAttribute('aria-activedescendant');
};

const mark = (place) => {
  const options = [...list.children];
  at = (place + options.length) % options.length;
  options.forEach((option, i) => option.setAttribute('aria-selected', String(i === at)));
  field.setAttribute('aria-activedescendant', options[at].id);
};

const choose = (code) => {
  const [from, to] = [begin(), field.selectionStart];
  field.setRangeText(code, from, field.dataset.symbols === 'several' ? to : field.value.length, 'end');
  close();
  if (field.dataset.go !== undefined) field.form.requestSubmit();
};

const option = (item, i) => {
  const row = document.createElement('li');
  const [code, name] = [document.createElement('b'), document.createElement('span')];
  const isEnglish = document.documentElement.lang === 'en' && item.name_en;
  code.textContent = item.symbol;
  name.textContent = isEnglish ? item.name_en : item.name;
  name.lang = isEnglish ? 'en' : 'ja';
  row.id = `symbol-option-${i}`;
  row.dataset.code = item.symbol;
  row.setAttribute('role', 'option');
  row.setAttribute('aria-selected', 'false');
  row.append(code, ' ', name);
  return row;
};

const show = async () => {
  const asking = field;
  const word = typed();
  const items = word ? await ask(word) : [];
  // Meanwhile something else was typed, or the field was left.
  if (asking !== field || document.activeElement !== field || word !== typed()) return;
  close();
  const found = items.map((item) => [rank(item, word), item]).sort((a, b) => a[0] - b[0]);
  list.replaceChildren(...found.slice(0, MOST).map(([, item], i) => option(item, i)));
  if (!found.length) return;
  const box = field.getBoundingClientRect();
  list.style.top = `${box.bottom}px`;
  list.style.left = `${Math.max(0, Math.min(box.left, innerWidth - 320))}px`;
  list.hidden = false;
  field.setAttribute('aria-expanded', 'true');
};

document.addEventListener('focusin', (event) => {
  if (!event.target.matches('input[data-symbols]')) return;
  field = event.target;
  if (!list.isConnected) document.body.append(list);
  for (const [name, value] of Object.entries({ role: 'combobox', 'aria-autocomplete': 'list', 'aria-controls': list.id, 'aria-expanded': 'false' })) field.setAttribute(name, value);
});

document.addEventListener('focusout', (event) => {
  if (event.target === field) close();
});

document.addEventListener('input', (event) => {
  if (event.target !== field) return;
  clearTimeout(timer);
  timer = setTimeout(show, WAIT_MS);
});

document.addEventListener('keydown', (event) => {
  if (event.target !== field || list.hidden || event.isComposing) return;
  if (event.key === 'Escape') close();
  else if (event.key === 'ArrowDown') mark(at + 1);
  else if (event.key === 'ArrowUp') mark(at < 0 ? -1 : at - 1);
  else if (event.key === 'Enter' && at >= 0) choose(list.children[at].dataset.code);
  else return;
  event.preventDefault();
});

// Before the field loses the focus.
list.addEventListener('pointerdown', (event) => {
  event.preventDefault();
  const row = event.target.closest('li');
  if (row) choose(row.dataset.code);
});
addEventListener('scroll', close, { passive: true });
