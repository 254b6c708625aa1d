/* litequeue: what the page does beyond plain HTML: it keeps itself up to date, knows keys, copies. Without it every page and form works. */
"use strict";
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const root = document.body.dataset.root || "./";
  const live = $("#live");

  // -- relative times, in the words of words.py ---------------------------------------------------------
  const age = (s) => {
    if (s < 1) return s >= 0.05 ? s.toFixed(1) + " s" : "0 s";
    for (const [size, unit, most] of [[1, "s", 90], [60, "min", 90], [3600, "h", 36]]) if (s < size * most) return Math.floor(s / size) + " " + unit;
    return Math.floor(s / 86400).toLocaleString("en") + " d";
  };
  // The clock of the server: a viewer's may be wrong.
  const skew = Date.parse($("main").dataset.now) - Date.now();
  const ago = () => $$("time[data-ago]").forEach((time) => {
    const s = (Date.now() + skew - Date.parse(time.dateTime)) / 1000;
    if (Math.abs(s) >= 129600) return;
    const text = Math.abs(s) < 1 ? "now" : s > 0 ? age(s) + " ago" : "in " + age(-s);
    if (time.textContent !== text) time.textContent = text;
  });
  setInterval(() => document.hidden || ago(), 10000);
  // Where the viewer's clock shows another time than the host's, it stands in the title.
  const zoned = () => $$("time:not([data-zoned])").forEach((time) => {
    time.dataset.zoned = "";
    const here = new Date(time.dateTime), minutes = -here.getTimezoneOffset();
    const sign = minutes < 0 ? "-" : "+", two = (n) => String(Math.floor(n)).padStart(2, "0"), m = Math.abs(minutes);
    if (!time.title.endsWith(sign + two(m / 60) + two(m % 60))) time.title += ", here " + here.toLocaleString();
  });

  // -- live ----------------------------------------------------------------------------------------------
  let stream = null, paused = false, busy = false, again = false, poll = 0, said = 0;
  const show = (state, word) => { live.hidden = false; live.dataset.state = state; live.lastChild.textContent = word; live.setAttribute("aria-pressed", String(paused)); };
  const address = () => {
    const url = new URL(location.href);
    url.searchParams.set("part", "main");
    const list = $("[data-newest]");
    if (list) url.searchParams.set("seen", list.dataset.newest);
    return url;
  };
  // Not what somebody is in the middle of: a focus, a selection, details that he opened.
  const held = (block) => {
    const chosen = getSelection();
    return block.contains(document.activeElement) || $("details[data-touched]", block) || (!chosen.isCollapsed && (chosen.containsNode(block, true) || block.contains(chosen.anchorNode)));
  };
  // The one thing that is read aloud, and at most once in 10 s.
  const announce = (before, text) => {
    if (text === before || Date.now() - said < 10000) return;
    said = Date.now();
    $("#said").textContent = text;
  };
  const replace = (fresh) => {
    $$("[data-live]").forEach((block) => {
      const name = block.dataset.live;
      const now = $(`[data-live="${CSS.escape(name)}"]`, fresh);
      if (!now || held(block) || plain(block) === plain(now)) return;
      if (name === "health") announce($("b", block).textContent, $("b", now).textContent);
      const box = $("input[type=checkbox]", block), its = $("input[type=checkbox]", now);
      if (box && its) its.checked = box.checked;
      if (block.dataset.at !== undefined) now.dataset.at = "";
      const tops = $$("pre", block).map((pre) => [pre.scrollTop, pre.scrollTop + pre.clientHeight > pre.scrollHeight - 4]);
      block.replaceWith(now);
      $$("pre", now).forEach((pre, n) => { if (tops[n]) pre.scrollTop = tops[n][1] ? pre.scrollHeight : tops[n][0]; });
    });
    ready();
  };
  // As the server wrote it: without what this script has added.
  const plain = (block) => {
    const copy = block.cloneNode(true);
    [copy, ...$$("*", copy)].forEach((each) => { delete each.dataset.at; delete each.dataset.zoned; if (each.dataset.copy !== undefined) each.hidden = true; if (each.dateTime) { each.title = ""; if (each.dataset.ago !== undefined) each.textContent = ""; } });
    return copy.outerHTML;
  };
  const refresh = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const reply = await fetch(address(), { headers: { Accept: "text/html" } });
      if (reply.status === 401) location.reload();
      else if (!reply.ok) show("lost", reply.status === 404 ? "gone" : "not answered");
      else if (!paused) {
        replace(new DOMParser().parseFromString(await reply.text(), "text/html"));
        if (live.dataset.state === "lost") show("live", "live");
      }
    } catch { show("lost", "not connected"); }
    setTimeout(() => { busy = false; if (again) { again = false; if (!paused && !document.hidden) refresh(); } }, 1000);
  };
  const close = () => { if (stream) stream.close(); stream = null; clearTimeout(poll); };
  const open = () => {
    close();
    if (paused || document.hidden) return;
    stream = new EventSource(root + "events");
    stream.onopen = () => show("live", "live");
    stream.addEventListener("changed", refresh);
    // As many streams as there may be are open, or the server is gone: ask by the clock, and try again each minute.
    stream.onerror = () => {
      close();
      let left = 12;
      const ask = () => { refresh(); poll = setTimeout(--left ? ask : open, 5000); };
      show("live", "each 5 s");
      poll = setTimeout(ask, 5000);
    };
  };
  const pause = () => { paused = !paused; if (paused) { close(); show("paused", "paused"); } else { show("live", "live"); refresh(); open(); } };
  if (live) {
    show("live", "live");
    live.addEventListener("click", pause);
    document.addEventListener("visibilitychange", () => { if (document.hidden) close(); else if (!paused) { refresh(); open(); } });
    addEventListener("pagehide", close);
    addEventListener("pageshow", (event) => event.persisted && open());
    open();
  }
  document.addEventListener("click", (event) => { const summary = event.target.closest("summary"); if (summary) summary.parentNode.dataset.touched = ""; });

  // -- copying ---------------------------------------------------------------------------------------------
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
  });

  // -- selection -------------------------------------------------------------------------------------------
  const count = () => {
    const bulk = $(".bulk"), chosen = $$("input[name=id]:checked").length;
    if (bulk) $("b", bulk).textContent = chosen ? chosen + " selected" : "Select jobs";
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-all]")) $$("input[name=id]").forEach((box) => { box.checked = event.target.checked; });
    count();
  });

  // -- keys ------------------------------------------------------------------------------------------------
  let goes = false;
  const rows = () => $$("main tr[data-row]");
  const at = () => rows().findIndex((row) => row.dataset.at !== undefined);
  const move = (step) => {
    const all = rows(), next = Math.min(Math.max(at() + step, 0), all.length - 1);
    all.forEach((row, n) => { if (n === next) row.dataset.at = ""; else delete row.dataset.at; });
    if (all[next]) all[next].scrollIntoView({ block: "nearest" });
  };
  const chosen = () => rows()[at()];
  const act = (key) => {
    const button = $(`main [data-key=${key}]`);
    if (!button || button.hidden) return;
    if (button.form && ($(".bulk", button.form) && !$("input[name=id]:checked", button.form) || !confirm(button.dataset.ask || button.textContent))) return;
    button.click();
  };
  const click = (selector, within) => { const found = within === undefined ? $(selector) : within && $(selector, within); if (found) found.click(); return found; };
  const help = () => { const dialog = $("#keys"); if (dialog.open) dialog.close(); else dialog.showModal(); };
  const keys = {
    "/": () => $("[data-search]").focus(), j: () => move(1), k: () => move(-1), x: () => click("input[type=checkbox]", chosen()), Enter: () => click("a", chosen() || null),
    r: () => act("r"), c: () => act("c"), ".": () => click(".news"), p: () => live && pause(), "?": help,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), textarea, select, dialog[open]")) return;
    if (event.key === "Enter" && event.target !== document.body && !event.target.matches("main")) return;
    if (goes) { goes = false; click(`[data-go="${CSS.escape(event.key)}"]`); event.preventDefault(); return; }
    if (event.key === "g") { goes = true; setTimeout(() => { goes = false; }, 1500); return; }
    const does = keys[event.key];
    if (does) { does(); if (event.key !== "Enter") event.preventDefault(); }
  });
  $("[data-help]").addEventListener("click", help);

  const ready = () => {
    if (navigator.clipboard) $$("[data-copy][hidden]").forEach((button) => { button.hidden = false; });
    $$("[data-help], [data-all]").forEach((each) => { each.hidden = false; });
    zoned(); ago(); count();
  };
  ready();
  const current = $(".nav [aria-current]");
  if (current) current.scrollIntoView({ block: "nearest", inline: "center" });
})();
