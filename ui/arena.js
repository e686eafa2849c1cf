// Keys and clicks of the arena. An order is one line of text such as "B>A=D>C" in #order-box; everything here only
// edits that line, so that the buttons, the keys and typing by hand are the same thing and no press is lost. In
// the mode with one answer the keys 1 to 5 press the rating's buttons instead.
(() => {
  const LETTERS = "ABCD";
  const find = (selector) => document.querySelector(selector);
  const box = () => find("#order-box textarea, #order-box input");
  const seen = (element) => element && element.offsetParent !== null;
  const press = (selector) => {
    const button = find(selector);
    if (seen(button) && !button.disabled) { button.click(); return true; }
    return false;
  };

  // "B>A=" <-> {groups: [["B"], ["A"]], open: true}; open: the next letter ties with the last one.
  function read() {
    const text = (box()?.value || "").replace(/\s/g, "").toUpperCase();
    const groups = text === "NONE" ? [] : text.split(">").map((group) => group.match(/[A-D]/g) || []);
    return { none: text === "NONE", groups: groups.filter((group) => group.length), open: text.endsWith("=") };
  }

  function write({ groups, open = false, none = false }) {
    const field = box();
    if (!field || field.disabled) return;
    const kept = groups.filter((group) => group.length);
    const text = none ? "none" : kept.map((group) => group.join("=")).join(">") + (open && kept.length ? "=" : "");
    const kind = field.tagName === "TEXTAREA" ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(field, text);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    paint();
  }

  // A letter that is ranked already is taken out again.
  function pick(letter) {
    const order = read();
    if (!seen(find(`#pane-${letter}`))) return;
    if (order.groups.flat().includes(letter)) {
      return write({ groups: order.groups.map((group) => group.filter((other) => other !== letter)) });
    }
    if (order.open && order.groups.length) order.groups.at(-1).push(letter);
    else order.groups.push([letter]);
    write({ groups: order.groups });
  }

  const shown = () => [...LETTERS].filter((letter) => seen(find(`#pane-${letter}`)));
  const actions = {
    tie: () => {
      const { groups } = read();
      if (groups.length && groups.flat().length < shown().length) write({ groups, open: true });
    },
    alike: () => write({ groups: [shown()] }),
    bad: () => write({ groups: [], none: true }),
    undo: () => {
      const { groups, open, none } = read();
      if (none) return write({ groups: [] });
      if (!open && groups.length) groups.at(-1).pop();
      write({ groups });
    },
  };

  const asked = () => find(".arena-pane .message, .arena-pane .bubble-wrap .message-row") !== null;
  const voting = () => { const field = box(); return Boolean(field) && !field.disabled && seen(field) && asked(); };
  const ratings = () => [...document.querySelectorAll("#rating-box input")];
  const rating = () => ratings().some((input) => seen(input.closest("label")) && !input.disabled) && asked();
  const ranked = () => {
    if (rating()) return ratings().some((input) => input.checked);
    const { groups, none } = read();
    return none || groups.length > 0;
  };

  // The place of each answer is shown on its pane: ties share a place. Panes can be reached by keyboard.
  function paint() {
    const { groups, none } = read();
    const places = {};
    let place = 1;
    for (const group of groups) {
      for (const letter of group) places[letter] = place;
      place += group.length;
    }
    for (const letter of LETTERS) {
      const pane = find(`#pane-${letter}`);
      if (!pane) continue;
      if (places[letter]) pane.dataset.place = places[letter]; else delete pane.dataset.place;
      pane.classList.toggle("all-bad", none);
      const can = voting();
      pane.classList.toggle("can-pick", can);
      if (can) {
        pane.tabIndex = 0;
        pane.setAttribute("role", "group");
        pane.setAttribute("aria-label", places[letter] ? `${letter}: ${places[letter]}` : letter);
      } else {
        pane.removeAttribute("tabindex");
      }
    }
  }

  const editable = (element) => {
    const field = element?.closest?.("input:not([type='radio'], [type='checkbox']), textarea, select, [contenteditable='true']");
    return field && !field.disabled && !field.readOnly && field !== box() ? field : null;
  };

  document.addEventListener("keydown", (event) => {
    if (event.isComposing || !seen(find("#prompt-box"))) return;
    const typing = editable(event.target);
    if (typing) {
      // The question is on its way: the keys below are for the answers now.
      if (event.key === "Enter" && !event.shiftKey && typing.closest("#prompt-box")) setTimeout(() => typing.blur(), 0);
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && typing.closest("#comment-box")) {
        press("#vote-button");
        event.preventDefault();
      }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    const control = event.target.closest?.("button, a, summary, [role='tab'], [role='option'], [role='listbox']");
    if (key === "n" && !control?.closest?.("[role='listbox']")) {
      if (press("#next-button")) event.preventDefault();
      return;
    }
    if (!voting() && !rating()) return;
    // Enter votes as soon as there is an order, even where the button that asked still has the focus.
    if (key === "enter") {
      if (control && !(control.id === "ask-button" && ranked())) return;
      if (ranked()) press("#vote-button");
      event.preventDefault();
      return;
    }
    if (rating()) {
      if (!"12345".includes(key)) return;
      ratings()["12345".indexOf(key)].click();
      return event.preventDefault();
    }
    const pane = event.target.closest?.(".arena-pane");
    const letter = key.length !== 1 ? null
      : LETTERS.includes(key.toUpperCase()) ? key.toUpperCase()
      : "1234".includes(key) ? LETTERS["1234".indexOf(key)]
      : key === " " && pane && pane === event.target ? pane.id.slice(-1) : null;
    if (event.target === box()) { if (key.length === 1 || key === "backspace") return; }
    if (letter) pick(letter);
    else if (key === "=" || key === "t") actions.tie();
    else if (key === "e") actions.alike();
    else if (key === "x") actions.bad();
    else if (key === "backspace") actions.undo();
    else return;
    event.preventDefault();
  });

  // The text of the last answer in a pane, to the clipboard; the old way where the page is not served securely.
  async function copy(button) {
    const answers = button.closest(".arena-pane").querySelectorAll("[data-testid='bot'], .bot");
    const text = answers.length ? answers[answers.length - 1].innerText : "";
    if (!text) return;
    try { await navigator.clipboard.writeText(text); } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const word = button.textContent;
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = word; }, 1200);
  }

  document.addEventListener("click", (event) => {
    const copied = event.target.closest?.(".pane-copy");
    if (copied) return copy(copied);
    const action = event.target.closest?.("[id^='vote-do-']");
    if (action) return actions[action.id.slice(8)]?.();
    const pane = event.target.closest?.(".arena-pane");
    if (!pane || !voting() || event.target.closest("a, button, .icon-button")) return;
    if (String(window.getSelection())) return;
    pick(pane.id.slice(-1));
  });

  document.addEventListener("input", (event) => { if (event.target === box()) paint(); });
  const smooth = () => (matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth");
  // The answers come into sight when they are asked for, where they begin in the lower part of the screen.
  function watchAnswers() {
    const panes = find(".panes");
    if (panes.getBoundingClientRect().top > innerHeight * 0.45) panes.scrollIntoView({ behavior: smooth() });
  }
  // After a vote its button is disabled and would leave the keyboard nowhere: the next step gets the focus.
  function goOn() {
    const here = document.activeElement;
    if (here === document.body || here?.disabled) find("#next-button").focus({ preventScroll: true });
    find(".after-vote").scrollIntoView({ behavior: smooth(), block: "nearest" });
  }

  // The page empties the box when a new round starts, and opens it when the answers are there.
  let was = "";
  let phase = "";
  setInterval(() => {
    const shows = (button) => Boolean(seen(find(button)));
    const before = phase;
    phase = shows("#stop-button") ? "asking" : shows("#next-button") ? "ended" : "";
    if (phase === "asking" && before !== phase || before === "ended" && !phase) watchAnswers();
    if (phase === "ended" && before !== phase) goOn();
    const field = box();
    const now = `${field?.value}|${field?.disabled}|${asked()}|${shown()}`;
    if (now !== was) { was = now; paint(); }
  }, 200);
})();
