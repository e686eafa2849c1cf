// What the browser keeps of the page: the address names the tab and the run (#ppo/RUN), the local storage has what
// was typed into the forms, per preset. Also: arrow keys on the tabs, and the header that unfolds on a phone.
window.playground = (() => {
  const find = (selector) => document.querySelector(selector);
  const tabButtons = () => [...document.querySelectorAll("#tabs [role=tab]")];
  const buttonOf = (tab) => document.getElementById(`tab-${tab}-button`);
  const current = () => find("#tabs [role=tab][aria-selected=true]")?.dataset.tabId;

  // -- the address
  function address() {
    const [tab = "", run = ""] = decodeURIComponent(location.hash.slice(1)).split("/");
    return { tab, run };
  }
  function write(tab, run = "", replace = false) {
    const hash = `#${tab}${run ? `/${run}` : ""}`;
    if (hash === location.hash) return;
    history[replace ? "replaceState" : "pushState"](history.state, "", hash);
  }
  function follow() {
    const { tab } = address();
    const button = buttonOf(tab || "start");
    if (button && button.getAttribute("aria-selected") !== "true") button.click();
  }
  function open(tab) {
    write(tab);
    follow();
    scrollTo({ top: 0 });
  }

  // -- the forms
  const key = (stage, preset) => `playground:form:${stage}:${preset}`;
  function stored(name) {
    try { return JSON.parse(localStorage.getItem(name)); } catch { return null; }
  }
  function store(name, value) {
    try { localStorage.setItem(name, JSON.stringify(value)); } catch { /* private mode: nothing is kept */ }
  }
  function keep(stage, preset, names, values) {
    store(key(stage, preset), Object.fromEntries(names.map((name, index) => [name, values[index]])));
    return [];
  }
  function restore(layout, preset, values) {
    const found = [];
    for (const [stage, names] of layout) {
      const kept = stored(key(stage, preset)) || {};
      for (const name of names) found.push(name in kept ? kept[name] : values[found.length]);
    }
    return found;
  }
  // Fill a form with the settings of a run: they are kept like typed ones, and the page is loaded anew.
  function again(text) {
    if (!text) return [];
    const { stage, tab, preset, values } = JSON.parse(text);
    const { precision, preset: _, ...fields } = values;
    const arms = { reward: [precision], ppo: [precision], sft: precision };
    store(key(stage, preset), stage in arms ? { ...fields, extra0: arms[stage] } : fields);
    store("playground:preset", preset);
    location.hash = `#${tab}`;
    location.reload();
    return [];
  }
  function forget(stage, preset) { localStorage.removeItem(key(stage, preset)); }

  // -- keys, clicks, the header
  function onKey(event) {
    const tabs = tabButtons();
    const at = tabs.indexOf(event.target);
    if (at < 0) return;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = tabs[(to + tabs.length) % tabs.length];
    next.focus();
    next.click();
  }
  function onClick(event) {
    const tab = event.target.closest?.("#tabs [role=tab]");
    if (tab && tab.dataset.tabId !== address().tab) write(tab.dataset.tabId, "", !location.hash && tab.dataset.tabId === "start");
    const link = event.target.closest?.(".languages a");
    if (link) link.hash = location.hash;
    const unfold = event.target.closest?.(".unfold");
    if (unfold) unfold.setAttribute("aria-expanded", String(document.body.classList.toggle("unfolded")));
  }
  // Only the selected tab takes part in the order of the Tab key; the arrows reach the others.
  function tidy() {
    for (const tab of tabButtons()) {
      const index = tab.getAttribute("aria-selected") === "true" ? 0 : -1;
      if (tab.tabIndex !== index) tab.tabIndex = index;
      const panel = tab.getAttribute("aria-controls");
      if (!tab.getAttribute("title")) tab.title = tab.textContent.trim();
      const shown = panel && document.getElementById(panel);
      if (shown && !shown.hasAttribute("aria-labelledby")) shown.setAttribute("aria-labelledby", tab.id);
    }
    document.body.dataset.tab = current() || "";
  }
  function begin() {
    document.addEventListener("keydown", onKey);
    document.addEventListener("click", onClick, true);
    addEventListener("hashchange", follow);
    addEventListener("popstate", follow);
    // Gradio may select its first tab again while it starts, so the address is followed until it holds.
    let held = 0;
    const ready = setInterval(() => {
      if (!tabButtons().length) return;  // a rater has the arena alone
      held = address().tab && current() !== address().tab && buttonOf(address().tab) ? 0 : held + 1;
      follow();
      if (held === 1) tidy();
      if (held > 20) clearInterval(ready);
    }, 100);
    const list = () => find("#tabs [role=tablist]");
    const watch = setInterval(() => {
      if (!list()) return;
      clearInterval(watch);
      tidy();
      new MutationObserver(tidy).observe(list(), { subtree: true, attributes: true, attributeFilter: ["aria-selected"] });
    }, 100);
  }
  // Gradio names its empty plots without giving them a role, so that screen readers may ignore the name.
  function nameEmptyPlots() {
    for (const empty of document.querySelectorAll(".empty[aria-label]:not([role])")) empty.setAttribute("role", "img");
  }
  begin();
  new MutationObserver(nameEmptyPlots).observe(document.documentElement, { childList: true, subtree: true });

  return {
    open, keep, restore, forget, again,
    tab: () => (buttonOf(address().tab) ? address().tab : "start"),
    run: (stage) => (address().tab === stage ? address().run : ""),
    shows: (stage, run) => write(stage, run, true),
    role: (role) => {
      if (role === "rater") { document.body.dataset.role = role; open("arena"); }
      return [];
    },
    preset: () => stored("playground:preset") || "",
    rateAs: (name) => {
      const age = name.trim() ? 31536000 : 0;  // a year; an empty name ends it
      document.cookie = `rater_name=${encodeURIComponent(name.trim())}; path=/; max-age=${age}; samesite=lax`;
      location.reload();
      return [];
    },
    keepPreset: (preset) => { store("playground:preset", preset); return []; },
    reveal: (id) => {
      const view = document.getElementById(id);
      if (view && view.getBoundingClientRect().top > innerHeight * 0.6) view.scrollIntoView({ behavior: "smooth" });
      return [];
    },
  };
})();
