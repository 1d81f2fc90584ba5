// One stream of events. A hidden tab closes it, since a browser keeps six connections to a host; when the tab is seen
// again, or the connection is lost, it is opened anew after the last event that was seen.
import { serverNow, timeOfDay } from './clock.js';

const mark = document.getElementById('live');
const lost = document.getElementById('live-lost');
const FIRST_WAIT_S = 1;
const MOST_WAIT_S = 15;
const HIDDEN_MS = 20_000;

export class Stream {
  #source = null;
  #timer = 0;
  #hiding = 0;
  #waitS = FIRST_WAIT_S;
  #seenAt = serverNow();
  #isOver = false;
  #wasOpen = false;

  // `pathAfter` returns the path for the id of the last event, `handlers` are functions by event, `isShown` whether
  // the page's mark tells the state of this stream.
  constructor(pathAfter, handlers, { isShown = true } = {}) {
    this.pathAfter = pathAfter;
    this.handlers = handlers;
    this.isShown = isShown;
    this.last = '';
    document.addEventListener('visibilitychange', () => this.#onVisibility());
    document.addEventListener('click', (event) => {
      if (event.target.closest('[data-act="reconnect"]')) this.open();
    });
    window.addEventListener('pagehide', () => this.#drop());
    window.addEventListener('pageshow', (event) => {
      if (event.persisted) this.open();
    });
    this.open();
  }

  open() {
    if (this.#isOver) return;
    clearTimeout(this.#timer);
    this.#drop();
    this.#source = new EventSource(this.pathAfter(this.last));
    this.#source.addEventListener('open', () => {
      this.#waitS = FIRST_WAIT_S;
      this.#show(true);
      // Without an id nothing says what was missed.
      if (this.#wasOpen && !this.last) this.handlers.reload?.();
      this.#wasOpen = true;
    });
    this.#source.addEventListener('at', (event) => {
      this.last = event.lastEventId || this.last;
      this.#seenAt = serverNow();
    });
    this.#source.addEventListener('again', (event) => {
      this.last = event.lastEventId || this.last;
      this.open();
    });
    for (const [name, handle] of Object.entries(this.handlers)) {
      this.#source.addEventListener(name, (event) => {
        this.last = event.lastEventId || this.last;
        this.#seenAt = serverNow();
        handle(event);
      });
    }
    this.#source.addEventListener('error', () => this.#retry());
  }

  end() {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#drop();
    if (this.isShown && mark) mark.hidden = true;
    if (this.isShown && lost) lost.hidden = true;
  }

  #drop() {
    this.#source?.close();
    this.#source = null;
  }

  #retry() {
    this.#drop();
    clearTimeout(this.#timer);
    if (document.hidden || this.#isOver) return;
    this.#show(false);
    this.#timer = setTimeout(() => this.open(), this.#waitS * 1000);
    this.#waitS = Math.min(this.#waitS * 2, MOST_WAIT_S);
  }

  #onVisibility() {
    clearTimeout(this.#hiding);
    if (document.hidden) this.#hiding = setTimeout(() => this.#drop(), HIDDEN_MS);
    else if (!this.#source) this.open();
  }

  #show(isLive) {
    if (!this.isShown || !mark) return;
    mark.hidden = false;
    mark.querySelector('.st').className = `st ${isLive ? 'st-ok' : 'st-warn'}`;
    mark.querySelector('use').setAttribute('href', isLive ? '#ok' : '#warn');
    mark.querySelector('.live-word').textContent = isLive ? mark.dataset.word : mark.dataset.lost;
    lost.hidden = isLive;
    const text = lost.dataset.text.replace('{at}', timeOfDay(this.#seenAt)).replace('{seconds}', String(this.#waitS));
    lost.querySelector('[data-text]').textContent = text;
  }
}

// Told by one polite region, at most every 10 s.
let saidAt = 0;
export const say = (text) => {
  const region = document.getElementById('said');
  if (!region || Date.now() - saidAt < 10_000) return;
  saidAt = Date.now();
  region.textContent = text;
};
