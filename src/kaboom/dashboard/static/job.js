// The page of a live job: what changes is taken from the page itself, at most once a second; the log is a stream.
import { Stream, say } from './stream.js';

const EVERY_MS = 1000;
// The last lines of a log come some seconds after the end of the job.
const LATE_LINES_MS = 6000;
const FINAL = new Set(['completed', 'partial', 'failed', 'cancelled']);
const { live: events } = document.getElementById('live')?.dataset ?? {};
// What a reader has opened stays open.
const keepOpen = (name) => name !== 'open';
let due = 0;
let takenAt = 0;

const take = async () => {
  takenAt = Date.now();
  window.Idiomorph.defaults.callbacks.beforeAttributeUpdated = keepOpen;
  due = 0;
  await window.htmx.ajax('GET', location.href, { target: '#job', select: '#job', swap: 'morph:outerHTML' });
  const state = document.querySelector('#state .w')?.textContent;
  say(`${document.querySelector('h1').textContent}: ${state}`);
};

const soon = () => {
  due ||= setTimeout(take, Math.max(0, EVERY_MS - (Date.now() - takenAt)));
};

if (events) {
  const stream = new Stream(() => events, {
    status: (event) => {
      if (FINAL.has(JSON.parse(event.data).status)) stream.end();
      soon();
    },
    progress: soon,
    paused: soon,
  });
  // How long it runs, and the time to go, change without an event.
  const clock = setInterval(() => {
    if (!document.hidden) soon();
  }, 5000);
  document.addEventListener('htmx:afterSettle', (event) => {
    if (event.target.id !== 'job' || !document.getElementById('job').dataset.final) return;
    clearInterval(clock);
    stream.end();
    setTimeout(endLog, LATE_LINES_MS);
  });
}

const box = document.getElementById('lines');
const follow = document.getElementById('follow');

const lineOf = ({ at, level, event, fields }) => {
  const item = document.createElement('li');
  item.className = level;
  const time = document.createElement('time');
  const moment = new Date(at);
  time.dateTime = at;
  time.title = `${moment.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  time.textContent = new Date(moment.getTime() + 9 * 3_600_000).toISOString().slice(11, 23);
  const texts = [
    level,
    event,
    Object.entries(fields)
      .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
      .join(' · '),
  ];
  item.append(time, ...texts.map((text) => Object.assign(document.createElement('span'), { textContent: text })));
  return item;
};

let log = null;
const endLog = () => {
  log?.end();
  if (log) window.htmx.ajax('GET', location.href, { target: '#log', select: '#log', swap: 'outerHTML' });
};

if (box?.dataset.stream) {
  const list = box.querySelector('ol');
  // Lines of several processes come in the order in which Redis got them.
  const atOf = (item) => Date.parse(item.querySelector('time').dateTime);
  const add = (item) => {
    let before = list.lastElementChild;
    while (before && atOf(before) > atOf(item)) before = before.previousElementSibling;
    if (before) before.after(item);
    else list.prepend(item);
  };
  const isAtEnd = () => box.scrollHeight - box.scrollTop - box.clientHeight < 24;
  const scroll = () => {
    if (follow?.checked) box.scrollTop = box.scrollHeight;
  };
  box.addEventListener('scroll', () => {
    if (follow) follow.checked = isAtEnd();
  });
  follow?.addEventListener('change', scroll);
  scroll();
  const { stream, after } = box.dataset;
  log = new Stream((last) => `${stream}&after=${encodeURIComponent(last || after)}`, {
    line: (event) => {
      const wasFollowing = follow?.checked;
      add(lineOf(JSON.parse(event.data)));
      while (list.children.length > 1000) list.firstElementChild.remove();
      if (wasFollowing) box.scrollTop = box.scrollHeight;
    },
  }, { isShown: false });
}
