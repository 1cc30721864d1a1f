// The record page: drafts that keep themselves, evaluation when a field is left, rows, keyboard. Contract: docs/design.md.
// What was typed lives in the page only; nothing clinical goes into the browser's storage.

const QUIET_MS = 2500; // after the last key
const LONGEST_MS = 5000; // while somebody types without a pause
const LONGEST_TEXT = 200_000; // a text ten times longer than any that is kept stays on the page: the server would not read it
const FIRST_RETRY_MS = 2000;
const LAST_RETRY_MS = 60_000;

const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";
const form = document.querySelector("form[data-record-form]");
if (form) start(form);

function start(form) {
  const words = form.dataset;
  const locale = document.documentElement.lang || "en";
  const status = document.querySelector("[data-draft-status]");
  const by = (attribute, name) => form.querySelector(`[${attribute}="${CSS.escape(name)}"]`);

  /* ---- values ------------------------------------------------------------------------------------------------ */

  const isPlural = (control) => control.dataset.multiple !== undefined || /__(rows|removed)$/.test(control.name);

  const skipped = (control) =>
    !control.name || control.closest("[data-no-draft]") || ["submit", "button", "file", "password"].includes(control.type) ||
    ["csrfmiddlewaretoken", "revision"].includes(control.name);

  function values(controls = form.elements) {
    const found = new Map();
    for (const control of controls) {
      if (skipped(control) || control.disabled) continue;
      const { name, type } = control;
      if (isPlural(control)) {
        if (!found.has(name)) found.set(name, []);
        if (type !== "checkbox" || control.checked) found.get(name).push(control.value);
      } else if (type === "radio") {
        if (control.checked) found.set(name, control.value);
        else if (!found.has(name)) found.set(name, "");
      } else if (type === "checkbox") {
        found.set(name, control.checked ? control.value : "");
      } else {
        found.set(name, control.value);
      }
    }
    return found;
  }

  const same = (a, b) => JSON.stringify(a ?? "") === JSON.stringify(b ?? "");
  const saved = values(); // as the page came: dirty marks compare with this
  let kept = new Map(saved); // what the server has: drafts compare with this

  function difference(now, before) {
    const fields = {};
    for (const [name, value] of now) if (!same(value, before.get(name))) fields[name] = value;
    for (const [name, value] of before) {
      if (!now.has(name) && !same(value, "")) fields[name] = Array.isArray(value) ? [] : "";
    }
    return fields;
  }

  function changed() {
    const now = values();
    const fields = difference(now, kept);
    return { now, fields, any: Object.keys(fields).length > 0 };
  }

  function markDirty(name) {
    const base = name.replace(/__(unit|missing|reason)$/, "");
    const wrapper = by("data-field", base);
    if (!wrapper) return;
    const now = values(wrapper.querySelectorAll("[name]")); // its own controls: a grid has thousands
    const dirty = [base, `${base}__unit`, `${base}__missing`, `${base}__reason`].some((key) => !same(now.get(key), saved.get(key)));
    wrapper.toggleAttribute("data-dirty", dirty);
  }

  /* ---- draft ------------------------------------------------------------------------------------------------- */

  let timer = 0;
  let unsentSince = 0; // when the first key was pressed that no draft has yet
  let sending = false;
  let again = false;
  let retryMs = FIRST_RETRY_MS;
  let refused = false;
  let leaving = false;
  let signedOut = false; // until a draft is kept again: a try on its way does not open the form

  let at = words.focus ?? ""; // the field where the person is: a draft brings them back to it

  function say(state, text) {
    if (state === "signed-out") signedOut = true;
    if (state === "kept") signedOut = false;
    if (status) {
      status.dataset.draft = state;
      status.textContent = text;
      if (state === "signed-out" && words.signInUrl) {
        const link = element("a", "", words.textSignIn);
        link.href = `${words.signInUrl}?next=${encodeURIComponent(window.location.pathname)}`;
        link.target = "_blank";
        status.append(" ", link);
      }
    }
    form.dispatchEvent(new CustomEvent("stratum:draft", { bubbles: true, detail: { state } }));
  }

  function later(ms) {
    clearTimeout(timer);
    timer = setTimeout(() => keep(), ms);
  }

  /* What is too long is not sent: no answer of the server is about it, so its fault is the page's own. */
  const tooLong = (fields) => Object.keys(fields).filter((name) => fields[name].length > LONGEST_TEXT && !Array.isArray(fields[name]));

  const ownFaults = () => Object.fromEntries(tooLong(Object.fromEntries(values())).map((name) => [name, words.textTooLong]));

  async function keep({ last = false } = {}) {
    clearTimeout(timer);
    if (!words.draftUrl || refused || leaving) return;
    unsentSince = 0;
    const { now, fields, any } = changed();
    if (!any) return;
    for (const name of tooLong(fields)) {
      delete fields[name];
      now.set(name, kept.get(name));
    }
    if (!Object.keys(fields).length) {
      say("refused", words.textTooLong);
      return;
    }
    if (sending && !last) {
      again = true;
      return;
    }
    sending = true;
    if (!last && !signedOut) say("keeping", words.textKeeping);
    try {
      const answer = await fetch(words.draftUrl, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": meta("csrf-token") },
        body: JSON.stringify({ revision: Number(words.revision), fields, at }),
        redirect: "manual",
        keepalive: last,
      });
      await answered(answer, now);
    } catch {
      failed("offline", words.textOffline);
    } finally {
      sending = false;
      if (again) {
        again = false;
        later(0);
      }
    }
  }

  async function answered(answer, now) {
    if (answer.type === "opaqueredirect" || answer.status === 401 || answer.headers.get("HX-Redirect")) {
      failed("signed-out", words.textSignedOut);
      return;
    }
    const body = await answer.json().catch(() => ({}));
    if (answer.ok) {
      kept = now;
      retryMs = FIRST_RETRY_MS;
      const time = body.kept || new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" }).format(new Date());
      say("kept", `${words.textKept} ${time}`);
      document.dispatchEvent(new CustomEvent("stratum:contact"));
      if (changed().any) later(QUIET_MS);
    } else if (answer.status >= 500 || answer.status === 408 || answer.status === 429) {
      failed("offline", words.textOffline);
    } else if (answer.status === 403 && body.code === "csrf") {
      const outcome = await renewToken();
      if (outcome === "renewed") later(retryMs / 4);
      else if (outcome === "signed-out") failed("signed-out", words.textSignedOut);
      else failed("offline", words.textOffline);
    } else {
      refused = true;
      say("refused", body.message || words.textRefused);
    }
  }

  /* Signing in again, in another tab, gives new tokens: this page takes them, so that it can keep and save again. */
  async function renewToken() {
    const answer = await fetch(window.location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return "offline";
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const token = page.querySelector('meta[name="csrf-token"]')?.content;
    if (!token || !page.querySelector("form[data-record-form]")) return "signed-out";
    document.querySelector('meta[name="csrf-token"]').content = token;
    document.querySelectorAll("input[name=csrfmiddlewaretoken]").forEach((input) => { input.value = token; });
    return "renewed";
  }

  function failed(state, text) {
    say(state, text);
    later(retryMs);
    retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
  }

  function touched(name) {
    refused = false;
    markDirty(name);
    if (!words.draftUrl) return;
    if (status && status.dataset.draft !== "offline" && !signedOut) say("unsent", words.textUnsent);
    unsentSince ||= Date.now();
    later(Math.max(0, Math.min(QUIET_MS, unsentSince + LONGEST_MS - Date.now())));
  }

  window.addEventListener("online", () => {
    retryMs = FIRST_RETRY_MS;
    keep();
  });
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && keep({ last: true }));
  window.addEventListener("pagehide", () => keep({ last: true }));
  window.addEventListener("beforeunload", (event) => {
    if (leaving) return;
    const unsent = words.draftUrl ? changed().any : [...values()].some(([name, value]) => !same(value, saved.get(name)));
    if (!unsent) return;
    keep({ last: true });
    event.preventDefault();
  });
  document.addEventListener("stratum:session-ended", (event) => {
    // The page stays as it is, so that nothing typed is lost; the status line says what to do.
    if (!changed().any) return;
    event.preventDefault();
    say("signed-out", words.textSignedOut);
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-leave]")) leaving = true;
  });

  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    const own = ownFaults();
    const [long] = Object.keys(own);
    if (long) {
      event.preventDefault();
      showFaults(own, [long]);
      form.querySelector(`[name="${CSS.escape(long)}"]`)?.focus();
      return;
    }
    if (signedOut) {
      // Sent now, what was typed would end at the sign-in page: it stays here until the person is back.
      event.preventDefault();
      status?.scrollIntoView({ block: "nearest" });
      retryMs = FIRST_RETRY_MS;
      keep();
      return;
    }
    form.dataset.sent = "yes";
    leaving = true;
    clearTimeout(timer);
    event.submitter?.setAttribute("aria-busy", "true");
  });
  window.addEventListener("pageshow", () => { leaving = false; });

  /* ---- evaluation -------------------------------------------------------------------------------------------- */

  let evaluating = false;
  let evaluateAgain = false;
  let answeredFor = new Map(saved); // what the last answer was about: the next one is about what changed since

  /* One question at a time: each answer says what follows from what changed since the one before. */
  async function evaluate() {
    if (!words.evaluateUrl) return;
    if (evaluating) {
      evaluateAgain = true;
      return;
    }
    const now = values();
    const names = Object.keys(difference(now, answeredFor));
    if (!names.length) return;
    evaluating = true;
    const headers = { Accept: "application/json", "X-CSRFToken": meta("csrf-token") };
    let body;
    if (words.evaluatePartly !== undefined) {
      // Only what changed since the page was made: a grid of 200 rows is not sent for one of its cells.
      const fields = difference(now, saved);
      for (const name of tooLong(fields)) delete fields[name];
      headers["Content-Type"] = "application/json";
      body = JSON.stringify({ fields, changed: names });
    } else {
      body = new URLSearchParams();
      for (const [key, value] of new FormData(form)) if (typeof value === "string") body.append(key, value);
      body.append("_changed", names.join(" "));
    }
    try {
      const answer = await fetch(words.evaluateUrl, {
        method: "POST",
        headers,
        body,
        redirect: "manual",
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const result = await answer.json();
      answeredFor = now; // else the next field left asks again; Save evaluates in any case
      apply(result, names);
      document.dispatchEvent(new CustomEvent("stratum:contact"));
    } catch {
      evaluateAgain = false;
    } finally {
      evaluating = false;
      if (evaluateAgain) {
        evaluateAgain = false;
        evaluate();
      }
    }
  }

  /* Why a value cannot be understood, beside it, as soon as its field is left. */
  function showFaults(faults, names) {
    const bases = names.map((name) => name.replace(/__(unit|missing|reason|remove)$/, ""));
    const stale = [...form.querySelectorAll("[data-fault]")].map((place) => place.dataset.fault);
    for (const name of new Set([...Object.keys(faults), ...bases, ...stale])) {
      const wrapper = by("data-field", name);
      const place = wrapper?.querySelector("[data-errors]");
      if (!place) continue;
      const text = faults[name] ?? "";
      if (text === place.textContent) continue;
      place.replaceChildren(...(text ? [element("p", "error", icon("stop"), element("span", "", text))] : []));
      if (text) place.dataset.fault = name;
      else delete place.dataset.fault;
      for (const control of wrapper.querySelectorAll(`[name="${CSS.escape(name)}"]:not([type=radio])`)) {
        if (text) control.setAttribute("aria-invalid", "true");
        else control.removeAttribute("aria-invalid");
      }
    }
  }

  /* What was measured before of the lesion that a row is about, and the change since then. */
  function showEarlier(name, lines) {
    const place = by("data-earlier", name);
    const signature = JSON.stringify(lines);
    if (!place || place.dataset.shown === signature) return;
    place.dataset.shown = signature;
    place.replaceChildren(
      ...lines.map((line) => {
        const value = element("dd", "", line.value);
        if (line.change) value.append(" ", element("strong", "", line.change));
        if (line.on) value.append(" ", element("span", "", line.on));
        return element("div", "", element("dt", "", line.label), value);
      }),
    );
  }

  function showFlag(name, [flag, text]) {
    const control = by("data-field", name)?.querySelector(".item__control");
    if (!control) return;
    const held = control.querySelector(".flag");
    if (!flag) {
      held?.remove();
      return;
    }
    const made = element("span", "flag");
    made.dataset.flag = flag;
    if (flag === "high" || flag === "low") made.append(icon(flag === "high" ? "sort-up" : "sort-down"));
    made.append(text);
    if (held) held.replaceWith(made);
    else control.firstElementChild.after(made);
  }

  function apply({ shown: visible = {}, derived = {}, reasons = {}, options = {}, earlier = {}, flags = {}, echoes = {}, faults, findings, about } = {}, names = []) {
    for (const [name, value] of Object.entries(visible)) {
      const element = by("data-field", name) ?? by("data-group", name);
      // A cell of a grid keeps its place, so that the columns stay where they are.
      if (element?.matches("td")) element.toggleAttribute("data-hidden", value === false);
      else if (element) element.hidden = value === false;
      const unknown = by("data-unknown", name);
      if (unknown) unknown.hidden = value !== null;
    }
    for (const [name, text] of Object.entries(derived)) {
      const output = by("data-derived", name);
      if (output && output.textContent !== String(text ?? "")) output.textContent = text ?? "";
      const reason = by("data-derived-reason", name);
      if (reason) reason.textContent = reasons[name] ?? words.textCalculated;
    }
    for (const [name, list] of Object.entries(options)) offer(name, list);
    for (const [name, lines] of Object.entries(earlier)) showEarlier(name, lines);
    for (const [name, flag] of Object.entries(flags)) showFlag(name, flag);
    for (const [name, text] of Object.entries(echoes)) {
      const place = by("data-echo", `f-${name}`);
      if (place) place.textContent = text;
    }
    if (faults) showFaults({ ...faults, ...ownFaults() }, names);
    if (findings) showFindings(findings, about && new Set(about));
    form.dispatchEvent(new CustomEvent("stratum:evaluated", { bubbles: true, detail: { shown: visible, derived, findings } }));
  }

  /* What can be chosen follows from another answer (the grades of a term): the choices are made anew, what was chosen stays
     while it is still offered. */
  function offer(name, list) {
    const wrapper = by("data-field", name);
    const select = wrapper?.querySelector(`select[name="${CSS.escape(name)}"]`);
    const wanted = JSON.stringify(list.map((option) => option.value));
    if (select) {
      const held = [...select.options].map((option) => option.value).filter(Boolean);
      if (JSON.stringify(held) === wanted) return;
      const chosen = select.value;
      select.replaceChildren(new Option("", ""), ...list.map((option) => new Option(option.label, option.value)));
      select.value = list.some((option) => option.value === chosen) ? chosen : "";
      if (select.value !== chosen) touched(name);
      return;
    }
    const radios = [...(wrapper?.querySelectorAll(`input[type="radio"][name="${CSS.escape(name)}"]`) ?? [])];
    if (!radios.length || JSON.stringify(radios.map((radio) => radio.value)) === wanted) return;
    const chosen = radios.find((radio) => radio.checked)?.value;
    const model = radios[0].closest("label");
    const made = list.map((option, index) => {
      const label = model.cloneNode(true);
      const radio = label.querySelector("input");
      radio.value = option.value;
      radio.id = `f-${name}_${index}`;
      radio.checked = option.value === chosen;
      const words = document.createElement("span");
      words.textContent = option.label;
      if (option.hint) words.append(element("span", "choice__hint", option.hint));
      label.querySelector(":scope > span").replaceWith(words);
      return label;
    });
    model.parentElement.replaceChildren(...made);
    offerClear(name);
    if (chosen && !list.some((option) => option.value === chosen)) touched(name);
  }

  /* `about`: the items about which `findings` says all there is; without it, the whole form. */
  function showFindings(findings, about) {
    const typed = new Map();
    form.querySelectorAll(".finding__answer input").forEach((input) => typed.set(input.name, input.value));
    const answering = document.activeElement?.closest(".finding__answer")?.querySelector("input");
    const around = answering?.closest("[data-item]");
    const places = new Map();
    const general = form.querySelector("[data-form-findings]");
    for (const finding of findings) {
      const row = finding.row ?? "";
      const wrapper = [...form.querySelectorAll(`[data-item="${CSS.escape(finding.item ?? "")}"]`)].find(
        (element) => (element.dataset.row ?? "") === row,
      );
      const place = wrapper?.querySelector("[data-findings]") ?? general;
      if (!place) continue;
      if (!places.has(place)) places.set(place, []);
      places.get(place).push(finding);
    }
    const isAsked = (item) => !about || about.has(item);
    if (general) {
      const others = [...general.children].filter((child) => !child.dataset.about || !isAsked(child.dataset.about));
      const made = (places.get(general) ?? []).map((finding) => findingElement(finding, typed));
      if (made.length || others.length < general.children.length) general.replaceChildren(...others, ...made);
    }
    for (const place of form.querySelectorAll("[data-findings]")) {
      if (!isAsked(place.closest("[data-item]")?.dataset.item)) continue;
      const list = places.get(place) ?? [];
      const signature = JSON.stringify(list);
      if ((place.dataset.shown ?? (place.childElementCount ? "server" : "[]")) !== signature) {
        place.replaceChildren(...list.map((finding) => findingElement(finding, typed)));
        place.dataset.shown = signature;
      }
      const wrapper = place.closest("[data-item]");
      if (wrapper) {
        const severity = list.some((finding) => finding.severity === "hard") ? "hard" : list.length ? "soft" : "";
        if (severity) wrapper.dataset.findingsSeverity = severity;
        else delete wrapper.dataset.findingsSeverity;
      }
    }
    if (answering && !answering.isConnected) {
      // Focus must not fall to the top of the page: the same answer again, else the field after its item.
      const twin = form.querySelector(`[name="${CSS.escape(answering.name)}"]`);
      const after = (control) => around && around.compareDocumentPosition(control) === Node.DOCUMENT_POSITION_FOLLOWING;
      (twin ?? reachable().find(after))?.focus();
    }
  }

  function icon(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `${meta("icons")}#${name}`);
    svg.append(use);
    return svg;
  }

  function element(tag, className, ...children) {
    const made = document.createElement(tag);
    made.className = className;
    made.append(...children);
    return made;
  }

  function findingElement(finding, typed) {
    const hard = finding.severity === "hard";
    const made = element(
      "div",
      "finding",
      icon(hard ? "stop" : "alert"),
      element("span", "finding__word", hard ? words.textHard : words.textSoft),
      element("span", "finding__message", finding.message),
    );
    made.dataset.state = hard ? "hard" : "soft";
    if (finding.about) made.dataset.about = finding.about;
    if (finding.answer_name) {
      const input = element("input", "input");
      input.type = "text";
      input.name = finding.answer_name;
      input.maxLength = 500;
      input.autocomplete = "off";
      input.value = typed.get(finding.answer_name) ?? finding.answer ?? "";
      made.append(element("label", "finding__answer", element("span", "", words.textBecause), input));
    }
    return made;
  }

  /* ---- fields ------------------------------------------------------------------------------------------------ */

  const dateParts = /^(\d{1,2}|UN)[/.-](\d{1,2}|UN)[/.-](\d{4})$|^(\d{2}|UN)(\d{2}|UN)(\d{4})$/i;

  function partsOf(text) {
    const match = dateParts.exec(text);
    return match ? match.slice(1).filter((part) => part !== undefined).map((part) => part.toUpperCase().padStart(2, "0")) : null;
  }

  function tidyDate(input) {
    const [datePart, timePart] = input.value.trim().split(/[\sT]+/);
    const parts = partsOf(datePart ?? "");
    if (!parts) return;
    const date = parts.join("/");
    const time = timePart ? ` ${tidyTime(timePart)}` : "";
    if (input.value !== date + time) input.value = date + time;
  }

  function tidyTime(text) {
    const match = /^(\d{1,2})\D?(\d{2})$/.exec(text.trim());
    return match ? `${match[1].padStart(2, "0")}:${match[2]}` : text.trim();
  }

  function inLetters(text) {
    const found = partsOf(text.trim().split(/\s+/)[0] ?? "");
    if (!found) return "";
    const [day, month, year] = found.map(Number);
    if (Number.isNaN(month)) return String(year);
    if (month < 1 || month > 12) return "";
    if (Number.isNaN(day)) {
      return new Intl.DateTimeFormat(locale, { month: "long", year: "numeric", timeZone: "UTC" }).format(Date.UTC(year, month - 1, 1));
    }
    const date = new Date(Date.UTC(year, month - 1, day));
    if (date.getUTCDate() !== day) return "";
    const parts = { weekday: "short", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" };
    return new Intl.DateTimeFormat(locale === "en" ? "en-GB" : locale, parts).format(date);
  }

  function echo(input) {
    const place = by("data-echo", input.id);
    if (place) place.textContent = inLetters(input.value);
  }

  function counter(area) {
    const place = document.getElementById(area.dataset.counter);
    if (!place) return;
    const left = Number(place.dataset.max) - area.value.length;
    place.textContent = left < 0 ? `${-left} ${words.textTooMany}` : `${left} ${words.textCharacters}`;
    place.toggleAttribute("data-over", left < 0);
  }

  function missing(select) {
    const name = select.dataset.missingFor;
    const wrapper = by("data-field", name);
    const set = select.value !== "";
    select.closest(".missing")?.toggleAttribute("data-set", set);
    if (wrapper) {
      if (set) wrapper.dataset.missing = select.value;
      else delete wrapper.dataset.missing;
    }
    const reason = by("data-missing-reason", name) ?? (set ? cellReason(wrapper, name) : null);
    if (reason) reason.hidden = !set;
  }

  /* A cell of a grid gets the field of its reason when a code is chosen: two hundred rows do not carry it empty. */
  function cellReason(wrapper, name) {
    const place = wrapper?.matches("td") ? wrapper.querySelector(".rows__control") : null;
    if (!place) return null;
    const input = element("input", "input missing__reason");
    Object.assign(input, { type: "text", name: `${name}__reason`, maxLength: 200, autocomplete: "off", placeholder: words.textWhyMissing });
    input.setAttribute("aria-label", `${words.textWhyMissing}: ${wrapper.dataset.label}`);
    input.dataset.missingReason = name;
    place.append(input);
    return input;
  }

  function offerClear(name) {
    const button = by("data-clear", name);
    if (button) button.hidden = !form.querySelector(`[name="${CSS.escape(name)}"]:checked`);
  }

  /* ---- visual analogue scale: the number beside it is what is saved; the slider never answers by itself ---------- */

  function followScale(slider, field) {
    const number = Number(field.value);
    const empty = field.value.trim() === "" || Number.isNaN(number);
    slider.toggleAttribute("data-empty", empty);
    slider.value = empty ? slider.min : number;
    if (empty) slider.setAttribute("aria-valuetext", words.textNotAnswered);
    else slider.removeAttribute("aria-valuetext");
  }

  function answerScale(slider) {
    const field = document.getElementById(slider.dataset.vas);
    if (!slider.hasAttribute("data-empty") && field.value === slider.value) return;
    field.value = slider.value;
    followScale(slider, field);
    touched(field.name);
  }

  form.querySelectorAll("[data-vas]").forEach((slider) => {
    slider.closest("[data-vas-scale]").hidden = false;
    followScale(slider, document.getElementById(slider.dataset.vas));
    // The lowest value is an answer too: choosing it where the slider stands moves nothing, so no input event comes.
    slider.addEventListener("pointerup", () => answerScale(slider));
    slider.addEventListener("keydown", (event) => {
      const field = document.getElementById(slider.dataset.vas);
      if (["Home", "ArrowLeft", "ArrowDown", "PageDown"].includes(event.key) && slider.hasAttribute("data-empty")) answerScale(slider);
      if (["Delete", "Backspace"].includes(event.key) && field.value !== "") {
        field.value = "";
        followScale(slider, field);
        touched(field.name);
        evaluate();
      }
    });
  });

  form.addEventListener("input", (event) => {
    const control = event.target;
    if (control.dataset.vas) {
      answerScale(control);
      return;
    }
    if (control.dataset.counter) counter(control);
    const slider = control.id && by("data-vas", control.id);
    if (slider) followScale(slider, control);
    if (!skipped(control)) touched(control.name);
  });

  form.addEventListener("change", (event) => {
    const control = event.target;
    if (control.dataset.date !== undefined) {
      tidyDate(control);
      echo(control);
    }
    if (control.dataset.time !== undefined) control.value = tidyTime(control.value);
    if (control.dataset.missingFor) missing(control);
    if (control.type === "radio") offerClear(control.name);
    if (control.dataset.vas) {
      evaluate();
      return;
    }
    if (skipped(control)) return;
    touched(control.name);
    if (["radio", "checkbox", "select-one"].includes(control.type)) evaluate();
  });

  form.addEventListener("focusin", (event) => {
    if (event.target.name && !skipped(event.target)) at = event.target.name;
  });

  form.addEventListener("focusout", (event) => {
    const control = event.target;
    if (!control.name || skipped(control)) return;
    if (changed().any) keep();
    evaluate();
  });

  form.addEventListener("click", (event) => {
    const clear = event.target.closest("[data-clear]");
    if (!clear) return;
    const name = clear.dataset.clear;
    const radios = form.querySelectorAll(`[name="${CSS.escape(name)}"]`);
    radios.forEach((radio) => { radio.checked = false; });
    clear.hidden = true;
    radios[0]?.focus();
    touched(name);
    evaluate();
  });

  form.querySelectorAll("[data-echo]").forEach((place) => {
    const input = document.getElementById(place.dataset.echo);
    if (input?.dataset.date !== undefined && place.textContent === "") echo(input);
  });
  form.querySelectorAll("[data-counter]").forEach(counter);
  form.querySelectorAll("[data-clear]").forEach((button) => offerClear(button.dataset.clear));

  /* ---- files: sent as they are chosen, into the draft; they become data when the form is saved ------------------- */

  async function upload(input) {
    const place = input.closest("[data-file]");
    const name = place.dataset.file;
    const said = place.querySelector("[data-file-error]");
    const body = new FormData();
    body.append("name", name);
    body.append("file", input.files[0]);
    said.hidden = true;
    input.setAttribute("aria-busy", "true");
    say("keeping", words.textUploading);
    try {
      const answer = await fetch(words.uploadUrl, {
        method: "POST",
        headers: { Accept: "application/json", "X-CSRFToken": meta("csrf-token") },
        body,
        redirect: "manual",
      });
      const result = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error(result.message || words.textUploadFailed);
      place.querySelector("[data-file-key]").value = result.key;
      const link = place.querySelector("[data-file-link]");
      link.textContent = result.words;
      link.href = result.url;
      link.parentElement.hidden = false;
      place.querySelector('[name$="__remove"]').checked = false;
      input.value = ""; // it is kept: the page need not post it again
      touched(name);
      await keep();
      evaluate();
    } catch (error) {
      said.textContent = error instanceof TypeError ? words.textUploadFailed : error.message;
      said.hidden = false;
      if (!(error instanceof TypeError)) input.value = ""; // refused for what it is: Save must not send it again
      say("refused", words.textUploadFailed);
    } finally {
      input.removeAttribute("aria-busy");
    }
  }

  form.addEventListener("change", (event) => {
    if (event.target.type === "file" && event.target.files.length && words.uploadUrl) upload(event.target);
  });

  /* ---- rows -------------------------------------------------------------------------------------------------- */

  const newRowId = () => `n${[...crypto.getRandomValues(new Uint8Array(6))].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;

  function refresh(grid) {
    const rows = [...grid.querySelectorAll("[data-grid-rows] > [data-grid-row]")];
    let number = 0;
    rows.forEach((row) => {
      const place = row.querySelector("[data-grid-number]");
      if (!row.hasAttribute("data-removed")) number += 1;
      if (place) place.textContent = row.hasAttribute("data-removed") ? "–" : String(number);
    });
    const full = Number(grid.dataset.maxRows) > 0 && number >= Number(grid.dataset.maxRows);
    const add = grid.querySelector("[data-grid-add]");
    if (add) add.disabled = full;
    const note = grid.querySelector("[data-grid-full]");
    if (note) note.hidden = !full;
    const empty = grid.querySelector("[data-grid-empty]");
    if (empty) empty.hidden = rows.length > 0;
  }

  function addRow(grid) {
    const template = grid.querySelector("template[data-grid-template]");
    const id = newRowId();
    const copy = template.content.cloneNode(true);
    const walker = document.createTreeWalker(copy, NodeFilter.SHOW_ELEMENT);
    while (walker.nextNode()) {
      for (const attribute of walker.currentNode.attributes) {
        if (attribute.value.includes("__ROW__")) attribute.value = attribute.value.replaceAll("__ROW__", id);
      }
    }
    const row = copy.querySelector("[data-grid-row]");
    row.dataset.gridNew = "";
    grid.querySelector("[data-grid-rows]").append(copy);
    refresh(grid);
    touched(`${grid.dataset.grid}__rows`);
    row.querySelector("input:not([type=hidden]), select, textarea")?.focus();
  }

  function removeRow(row) {
    const grid = row.closest("[data-grid]");
    const name = grid.dataset.grid;
    const next = row.nextElementSibling ?? row.previousElementSibling;
    if (row.dataset.gridNew !== undefined) {
      row.remove();
    } else {
      row.setAttribute("data-removed", "");
      const mark = document.createElement("input");
      mark.type = "hidden";
      mark.name = `${name}__removed`;
      mark.value = row.dataset.gridRow;
      mark.dataset.gridRemovedMark = "";
      row.querySelector("th").append(mark);
      row.querySelectorAll("input:not([type=hidden]), textarea").forEach((input) => { input.readOnly = true; });
      row.title = words.textRemove;
    }
    toggleRowTools(row);
    refresh(grid);
    touched(`${name}__removed`);
    evaluate();
    const focus = row.isConnected ? row.querySelector("[data-grid-restore]") : next?.querySelector("[data-grid-remove]");
    (focus ?? grid.querySelector("[data-grid-add]"))?.focus();
  }

  function restoreRow(row) {
    const grid = row.closest("[data-grid]");
    row.removeAttribute("data-removed");
    row.removeAttribute("title");
    row.querySelector("[data-grid-removed-mark]")?.remove();
    row.querySelectorAll("input:not([type=hidden]), textarea").forEach((input) => { input.readOnly = false; });
    toggleRowTools(row);
    refresh(grid);
    touched(`${grid.dataset.grid}__removed`);
    evaluate();
    row.querySelector("[data-grid-remove]")?.focus();
  }

  function toggleRowTools(row) {
    const removed = row.hasAttribute("data-removed");
    const remove = row.querySelector("[data-grid-remove]");
    const restore = row.querySelector("[data-grid-restore]");
    if (remove) remove.hidden = removed;
    if (restore) restore.hidden = !removed;
  }

  form.addEventListener("click", (event) => {
    // Without this script these buttons post the page, and the server adds or takes away the row.
    if (event.target.closest("[data-grid-add], [data-grid-remove], [data-grid-restore]")) event.preventDefault();
    const add = event.target.closest("[data-grid-add]");
    if (add) addRow(add.closest("[data-grid]"));
    const remove = event.target.closest("[data-grid-remove]");
    if (remove) removeRow(remove.closest("[data-grid-row]"));
    const restore = event.target.closest("[data-grid-restore]");
    if (restore) restoreRow(restore.closest("[data-grid-row]"));
  });
  form.querySelectorAll("[data-grid-row]").forEach(toggleRowTools);
  form.querySelectorAll("[data-grid]").forEach(refresh);

  /* ---- where the person was --------------------------------------------------------------------------------- */

  if (words.focus && !document.querySelector("[data-error-summary]")) {
    const named = [...form.querySelectorAll(`[name="${CSS.escape(words.focus)}"]`)].filter((control) => control.type !== "hidden");
    const control = named.find((each) => each.checked) ?? named[0];
    if (control?.checkVisibility()) {
      control.focus({ preventScroll: true });
      control.scrollIntoView({ block: "center" });
    }
  }

  /* ---- keyboard ---------------------------------------------------------------------------------------------- */

  const reachable = () =>
    [...form.querySelectorAll("input:not([type=hidden]):not([data-vas]), select:not([data-missing-for]), textarea, button[data-save-default]")].filter(
      (control, _, all) => {
        if (control.disabled || !control.checkVisibility()) return false;
        if (control.type !== "radio") return true;
        const group = all.filter((other) => other.name === control.name);
        return control === (group.find((other) => other.checked) ?? group[0]);
      },
    );

  form.addEventListener("keydown", (event) => {
    const control = event.target;
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (event.key === "Enter" && plain && control.matches("input, select") && !event.isComposing) {
      event.preventDefault();
      const controls = reachable();
      const here = controls.findIndex((other) => other === control || (control.type === "radio" && other.name === control.name));
      controls[here + (event.shiftKey ? -1 : 1)]?.focus();
      return;
    }
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && plain && control.matches("[data-grid-row] input:not([type=radio])")) {
      const cell = control.closest("td");
      let row = cell.parentElement;
      do row = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
      while (row && row.hasAttribute("data-removed"));
      const target = row?.cells[cell.cellIndex]?.querySelector("input:not([type=hidden]), select, textarea");
      if (target) {
        event.preventDefault();
        target.focus();
        target.select?.();
      }
    }
  });

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "s") {
      event.preventDefault();
      const button = document.querySelector("[data-save-default]");
      if (button && !button.disabled) {
        document.activeElement?.blur?.();
        form.requestSubmit(button);
      }
    }
  });
}
