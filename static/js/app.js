// What every page can do: theme, menus, drawer, dialogs, confirmations, toasts, CSRF for htmx, the idle warning.
// Everything is driven by data attributes (docs/design.md); without this file each page still works.

const root = document.documentElement;
const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";

/* Theme: the form posts and the server stores a cookie; the page changes at once. */
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-theme-switch]");
  if (!form || !event.submitter) return;
  event.preventDefault();
  const theme = event.submitter.value;
  root.dataset.theme = theme;
  document.querySelectorAll("[data-theme-switch] button").forEach((button) => {
    button.setAttribute("aria-pressed", String(button.value === theme));
  });
  const body = new FormData(form, event.submitter);
  try {
    const answer = await fetch(form.action, { method: "POST", body, redirect: "manual" });
    if (answer.type !== "opaqueredirect" && !answer.ok) throw new Error(String(answer.status));
  } catch {
    toast(meta("text-theme-not-kept"), "warn");
  }
});

/* Menus and drawer are <details>: close on Escape, on a click outside, and when another opens. */
const floating = "details.menu[open], details.drawer[open]";

document.addEventListener("click", (event) => {
  document.querySelectorAll(floating).forEach((details) => {
    const onVeil = details.matches(".drawer") && event.target === details;
    if (!details.contains(event.target) || onVeil) details.open = false;
  });
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  document.querySelectorAll(floating).forEach((details) => {
    details.open = false;
    details.querySelector("summary")?.focus();
  });
});

document.addEventListener("focusout", (event) => {
  const details = event.target.closest?.(floating);
  if (details && event.relatedTarget && !details.contains(event.relatedTarget)) details.open = false;
});

/* Dialogs: data-dialog-open="ID" opens, data-dialog-close closes, a click on the veil closes.
   With hx-get on the same button, htmx fills the dialog and it opens when the answer is in. */
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog-open]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.dialogOpen);
    if (dialog instanceof HTMLDialogElement && !dialog.open) {
      event.preventDefault();
      dialog.showModal();
    }
    return;
  }
  const closer = event.target.closest("[data-dialog-close]");
  if (closer) {
    event.preventDefault();
    closer.closest("dialog")?.close();
    return;
  }
  if (event.target instanceof HTMLDialogElement && !event.target.hasAttribute("data-dialog-firm")) {
    const box = event.target.getBoundingClientRect();
    const inside =
      event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!inside) event.target.close();
  }
});

/* Confirmation: data-confirm="Question" (data-confirm-title, data-confirm-action, data-confirm-tone="danger")
   on a button, a link or a form. For htmx, hx-confirm uses the same dialog. */
function ask({ title, text, action, tone }) {
  const dialog = document.getElementById("confirm-dialog");
  if (!dialog) return Promise.resolve(true);
  dialog.querySelector("[data-confirm-slot=title]").textContent = title || dialog.dataset.title;
  dialog.querySelector("[data-confirm-slot=text]").textContent = text;
  const yes = dialog.querySelector("[data-confirm-slot=action]");
  yes.textContent = action || dialog.dataset.action;
  yes.classList.toggle("btn--danger", tone === "danger");
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });
}

const wordsOf = (element) => ({
  title: element.dataset.confirmTitle,
  text: element.dataset.confirm,
  action: element.dataset.confirmAction,
  tone: element.dataset.confirmTone,
});

document.addEventListener(
  "click",
  async (event) => {
    const element = event.target.closest("a[data-confirm], button[data-confirm]");
    if (!element || element.dataset.confirmed) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!(await ask(wordsOf(element)))) return;
    element.dataset.confirmed = "yes";
    element.click();
    delete element.dataset.confirmed;
  },
  true,
);

document.addEventListener(
  "submit",
  async (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.dataset.confirm || form.dataset.confirmed) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const submitter = event.submitter;
    if (!(await ask(wordsOf(form)))) return;
    form.dataset.confirmed = "yes";
    form.requestSubmit(submitter);
    delete form.dataset.confirmed;
  },
  true,
);

document.addEventListener("htmx:confirm", async (event) => {
  if (!event.detail.question) return;
  event.preventDefault();
  if (await ask({ text: event.detail.question })) event.detail.issueRequest(true);
});

/* A form is sent once: data-once on the form. */
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || !(form instanceof HTMLFormElement) || !form.hasAttribute("data-once")) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  event.submitter?.setAttribute("aria-busy", "true");
});

window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => {
    delete form.dataset.sent;
    form.querySelectorAll("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy"));
  });
});

/* Small things */
document.addEventListener("click", (event) => {
  event.target.closest("[data-dismiss]")?.closest("[data-dismissible]")?.remove();
  if (event.target.closest("[data-print]")) window.print();
  if (event.target.closest("[aria-disabled=true]")) event.preventDefault();
});

document.addEventListener("change", (event) => {
  event.target.closest("[data-auto-submit]")?.form?.requestSubmit();
});

function focusSummary(scope) {
  scope.querySelector("[data-error-summary]")?.focus();
}

/* Toasts: toast("words"), or an HX-Trigger answer header {"toast": {"text": "…", "tone": "ok"}} */
export function toast(text, tone = "ok") {
  const place = document.getElementById("toasts");
  if (!place || !text) return;
  const icons = { ok: "ok", info: "info", warn: "alert", danger: "stop" };
  const element = document.createElement("div");
  element.className = "toast";
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${meta("icons")}#${icons[tone] ?? "info"}`);
  svg.append(use);
  const words = document.createElement("span");
  words.className = "toast__text";
  words.textContent = text;
  element.append(svg, words);
  place.append(element);
  setTimeout(() => element.remove(), Math.max(5000, text.length * 90));
}

document.addEventListener("toast", (event) => {
  const detail = event.detail ?? {};
  toast(detail.text ?? detail.value ?? "", detail.tone);
});

/* htmx */
document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRFToken"] = meta("csrf-token");
});

document.addEventListener("htmx:afterSwap", (event) => {
  const target = event.detail.target;
  focusSummary(target);
  const dialog = target.closest("dialog[data-dialog-auto]");
  if (dialog && !dialog.open && target.childElementCount) dialog.showModal();
});

for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, () => toast(meta("text-offline"), "warn"));
}

document.addEventListener("htmx:responseError", () => toast(meta("text-failed"), "danger"));

/* Idle: the server ends the session; this says so in time. Tabs tell each other. */
const idle = document.getElementById("idle-dialog");
if (idle) {
  const seconds = Number(idle.dataset.idleSeconds);
  const warnSeconds = Math.min(Number(idle.dataset.warnSeconds) || 120, seconds / 2);
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("stratum-session") : null;
  let lastContact = Date.now();
  let lastActivity = 0;

  const contact = (tell = true) => {
    lastContact = Date.now();
    if (tell) channel?.postMessage("contact");
    if (idle.open) idle.close();
  };
  channel?.addEventListener("message", () => contact(false));
  document.addEventListener("htmx:afterRequest", (event) => event.detail.successful && contact());
  document.addEventListener("stratum:contact", () => contact());
  for (const name of ["keydown", "pointerdown"]) {
    document.addEventListener(name, () => { lastActivity = Date.now(); }, { passive: true });
  }

  const stay = async () => {
    try {
      const answer = await fetch(idle.dataset.keepaliveUrl, {
        method: "POST",
        headers: { "X-CSRFToken": meta("csrf-token") },
        redirect: "manual",
      });
      if (answer.ok) contact();
    } catch {
      // No network: the warning stays, the next attempt may succeed.
    }
  };
  idle.querySelector("[data-idle-stay]")?.addEventListener("click", stay);

  setInterval(() => {
    const left = seconds - (Date.now() - lastContact) / 1000;
    if (idle.dataset.keepaliveUrl && !idle.open && lastActivity > lastContact && Date.now() - lastContact > 120_000) {
      stay();
      return;
    }
    if (left <= 0) {
      const event = new CustomEvent("stratum:session-ended", { cancelable: true });
      if (document.dispatchEvent(event)) window.location.assign(idle.dataset.signInUrl || window.location.href);
      lastContact = Date.now(); // do not fire each second when somebody held the page
    } else if (left <= warnSeconds) {
      if (!idle.open) idle.showModal();
      const shown = idle.querySelector("[data-idle-left]");
      if (shown) shown.textContent = `${Math.floor(left / 60)}:${String(Math.floor(left % 60)).padStart(2, "0")}`;
    }
  }, 1000);
}

focusSummary(document);
