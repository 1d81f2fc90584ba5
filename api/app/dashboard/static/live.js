// Live rows: one stream for the page. A hidden tab closes it, since a browser keeps six connections to a host; when the
// tab is seen again, or the connection is lost, the page comes back with the id of the last event that it saw.
const mark = document.getElementById('live');
const lost = document.getElementById('live-lost');
const away = document.getElementById('live-away');
const table = document.querySelector('[data-rows]');
const FIRST_WAIT_S = 1;
const MOST_WAIT_S = 15;
const HIDDEN_MS = 20_000;

let source = null;
let last = '';
let seenAt = new Date();
let waitS = FIRST_WAIT_S;
let timer = 0;
let hiding = 0;
const fresh = new Set();

const clock = (at) => at.toLocaleTimeString('ja-JP', { timeZone: 'Asia/Tokyo', hour12: false });

const show = (isLive) => {
  mark.hidden = false;
  mark.querySelector('.st').className = `st ${isLive ? 'st-ok' : 'st-warn'}`;
  mark.querySelector('use').setAttribute('href', isLive ? '#ok' : '#warn');
  mark.querySelector('.live-word').textContent = isLive ? mark.dataset.word : mark.dataset.lost;
  if (isLive) lost.hidden = true;
};

const change = (row) => {
  const old = document.getElementById(row.id);
  if (!old) return;
  const box = row.querySelector('input[type="checkbox"]');
  if (box) box.checked = old.querySelector('input[type="checkbox"]').checked;
  row.classList.toggle('at', old.classList.contains('at'));
  row.setAttribute('aria-selected', old.getAttribute('aria-selected') ?? 'false');
  const word = (each) => each.querySelector('.st .w')?.textContent;
  if (word(old) !== word(row)) {
    row.classList.add('flash');
    say(`${row.querySelector('a.row').textContent}: ${word(row)}`);
  }
  window.Idiomorph.morph(old, row);
};

// Told by one polite region, at most every 10 s.
let saidAt = 0;
const say = (text) => {
  const region = document.getElementById('said');
  if (!region || Date.now() - saidAt < 10_000) return;
  saidAt = Date.now();
  region.textContent = text;
};

const note = (rows) => {
  const link = document.getElementById('new-jobs');
  if (!link || table?.dataset.first === undefined) return;
  for (const row of rows) {
    if (!document.getElementById(row.id) && row.dataset.at > table.dataset.newest) fresh.add(row.id);
  }
  link.hidden = fresh.size === 0;
  link.textContent = link.dataset.text.replace('0', String(fresh.size));
};

const onRows = (event) => {
  last = event.lastEventId || last;
  seenAt = new Date();
  const template = document.createElement('template');
  template.innerHTML = event.data;
  const rows = [...template.content.querySelectorAll('tr')];
  rows.forEach(change);
  note(rows);
};

const reload = (event) => {
  last = event.lastEventId || last;
  window.htmx.ajax('GET', location.href, { target: '#rows', select: '#rows', swap: 'outerHTML' });
};

const open = () => {
  clearTimeout(timer);
  source?.close();
  const path = mark.dataset.live;
  source = new EventSource(last ? `${path}?after=${encodeURIComponent(last)}` : path);
  source.addEventListener('open', () => {
    waitS = FIRST_WAIT_S;
    show(true);
  });
  source.addEventListener('rows', onRows);
  source.addEventListener('reload', reload);
  source.addEventListener('again', (event) => {
    last = event.lastEventId || last;
    open();
  });
  source.addEventListener('away', (event) => {
    away.innerHTML = event.data;
  });
  source.addEventListener('error', retry);
};

const retry = () => {
  source?.close();
  source = null;
  clearTimeout(timer);
  if (document.hidden) return;
  show(false);
  const text = lost.dataset.text.replace('{at}', clock(seenAt)).replace('{seconds}', String(waitS));
  lost.querySelector('[data-text]').textContent = text;
  lost.hidden = false;
  timer = setTimeout(open, waitS * 1000);
  waitS = Math.min(waitS * 2, MOST_WAIT_S);
};

document.addEventListener('click', (event) => {
  if (event.target.closest('[data-act="reconnect"]')) open();
});
document.addEventListener('visibilitychange', () => {
  clearTimeout(hiding);
  if (document.hidden) {
    hiding = setTimeout(() => {
      source?.close();
      source = null;
    }, HIDDEN_MS);
  } else if (!source) open();
});
window.addEventListener('pagehide', () => source?.close());
window.addEventListener('pageshow', (event) => {
  if (event.persisted) open();
});
open();
