// Clocks: <span data-clock data-due="2026-11-24T09:30:00+01:00"> counts down to `due` and, past it, up.
// The server wrote the first value; the server's own time (data-now) corrects a wrong clock on this machine.

const pad = (number) => String(number).padStart(2, "0");

function words(milliseconds, dayLetter) {
  const total = Math.floor(Math.abs(milliseconds) / 1000);
  const days = Math.floor(total / 86400);
  const hours = Math.floor((total % 86400) / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const time = `${pad(hours)}:${pad(minutes)}:${pad(total % 60)}`;
  return days ? `${days} ${dayLetter} ${time}` : time;
}

const loadedAt = Date.now();

function tick() {
  document.querySelectorAll("[data-clock]").forEach((clock) => {
    if (clock.dataset.stopped !== undefined) return;
    const offset = clock.dataset.now ? Date.parse(clock.dataset.now) - loadedAt : 0;
    const left = Date.parse(clock.dataset.due) - (Date.now() + offset);
    if (Number.isNaN(left)) return;
    const value = clock.querySelector("[data-clock-value]");
    if (value) value.textContent = words(left, clock.dataset.textDays || "d");
    const warnMs = Number(clock.dataset.warnHours || 6) * 3_600_000;
    clock.dataset.tone = left <= 0 ? "danger" : left <= warnMs ? "warn" : "info";
    clock.querySelectorAll("[data-clock-when]").forEach((part) => {
      part.hidden = part.dataset.clockWhen !== (left <= 0 ? "late" : "running");
    });
  });
}

tick();
setInterval(tick, 1000);
