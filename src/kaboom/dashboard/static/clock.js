// The clock of the bar goes on, by the time of the server.
const clock = document.querySelector('time[data-clock]');

if (clock) {
  const ahead = Date.parse(clock.dateTime) - Date.now();
  setInterval(() => {
    const now = Date.now() + ahead;
    clock.dateTime = `${new Date(now).toISOString().slice(0, 19)}Z`;
    clock.title = clock.dateTime;
    clock.textContent = `${new Date(now + 9 * 3_600_000).toISOString().slice(11, 19)} JST`;
  }, 1000);
}
