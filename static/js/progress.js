// Progress without htmx: <div data-progress data-url="…" data-interval="2000"> asks for {value, max, text, done, url}
// and, when done, follows `url` or reloads. Pages that use htmx polling do not need it.

document.querySelectorAll("[data-progress][data-url]").forEach((element) => {
  const bar = element.querySelector("progress");
  const text = element.querySelector("[data-progress-text]");
  const base = Math.max(500, Number(element.dataset.interval) || 2000);
  let wait = base;

  const poll = async () => {
    try {
      const answer = await fetch(element.dataset.url, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const state = await answer.json();
      wait = base;
      if (bar && state.max) {
        bar.max = state.max;
        bar.value = state.value;
      }
      if (text && state.text) text.textContent = state.text;
      if (state.done) {
        if (state.url) window.location.assign(state.url);
        else window.location.reload();
        return;
      }
    } catch {
      wait = Math.min(wait * 2, 30_000);
    }
    setTimeout(poll, wait);
  };
  setTimeout(poll, wait);
});
