// Keys and clicks of the arena. A vote is one line of text such as "B>A=D>C" in #order-box; everything here only
// edits that line, so that the buttons, the keys and typing by hand are the same thing and no press is lost.
(() => {
  const LETTERS = "ABCD";
  const box = () => document.querySelector("#order-box textarea, #order-box input");

  function write(text) {
    const field = box();
    if (!field || field.disabled) return;
    const kind = field.tagName === "TEXTAREA" ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(field, text);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    paint();
  }

  function pick(letter) {
    const order = read();
    if (order.includes(letter)) return;
    write(order === "" || order === "none" ? letter : order.endsWith("=") ? order + letter : order + ">" + letter);
  }

  const actions = {
    tie: () => { if (/[A-D]$/.test(read()) && read().match(/[A-D]/g).length < 4) write(read() + "="); },
    bad: () => write("none"),
    undo: () => write(read() === "none" ? "" : read().replace(/([>=]?[A-D]|=)$/, "")),
    clear: () => write(""),
  };

  function read() {
    const field = box();
    return field ? field.value.replace(/\s/g, "") : "";
  }

  // The place of each answer is shown on its pane: ties share a place.
  function paint() {
    const order = read();
    const places = {};
    if (order && order !== "none") {
      let place = 1, seen = 0;
      order.split(">").forEach((group) => {
        const letters = group.split("=").filter(Boolean);
        letters.forEach((letter) => { places[letter] = place; });
        seen += letters.length;
        place = seen + 1;
      });
    }
    for (const letter of LETTERS) {
      const pane = document.querySelector(`#pane-${letter}`);
      if (!pane) continue;
      if (places[letter]) pane.dataset.place = places[letter]; else delete pane.dataset.place;
      pane.classList.toggle("all-bad", order === "none");
    }
  }

  const voting = () => { const field = box(); return field && !field.disabled && field.offsetParent !== null; };
  const press = (selector) => {
    const button = document.querySelector(selector);
    if (button && !button.disabled && button.offsetParent !== null) button.click();
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !voting()) return;
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (typing && typing !== box()) return;
    const key = event.key.toLowerCase();
    if (key === "enter" && event.target.closest?.("button, a, summary")) return;
    if (typing && !["enter"].includes(key)) return;
    const letter = LETTERS.includes(key.toUpperCase()) && key.length === 1 ? key.toUpperCase() : LETTERS["1234".indexOf(key)];
    if (letter && (key.length === 1)) pick(letter);
    else if (key === "=" || key === "t") actions.tie();
    else if (key === "x") actions.bad();
    else if (key === "backspace") actions.undo();
    else if (key === "enter") { press("#vote-button"); }
    else return;
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const action = event.target.closest?.("[id^='vote-do-']");
    if (action) return actions[action.id.slice(8)]?.();
    const pane = event.target.closest?.(".arena-pane");
    if (!pane || !voting() || event.target.closest("a, .icon-button, [aria-label='Copy']")) return;
    if (String(window.getSelection())) return;
    pick(pane.id.slice(-1));
  });

  document.addEventListener("input", (event) => { if (event.target === box()) paint(); });
  // The page empties the box when a new round starts; the places follow.
  setInterval(paint, 400);
})();
