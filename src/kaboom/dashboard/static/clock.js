// The clock of the bar goes on, by the time of the server.
const clock = document.querySelector('time[data-clock]');
const ahead = clock ? Date.parse(clock.dateTime) - Date.now() : 0;

// Returns the time of the server, in ms since 1970.
export const serverNow = () => Date.now() + ahead;

// Returns the time of day in Japan, which has no summer time.
export const timeOfDay = (ms) => `${new Date(ms + 9 * 3_600_000).toISOString().slice(11, 19)} JST`;

if (clock) {
  setInterval(() => {
    const now = serverNow();
    clock.dateTime = `${new Date(now).toISOString().slice(0, 19)}Z`;
    clock.title = clock.dateTime;
    clock.textContent = timeOfDay(now);
  }, 1000);
}
