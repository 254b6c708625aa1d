"""What is looked at on a page in a browser, whatever stands on it: that it fits, that it can be read, that what one may use has a name."""

from __future__ import annotations

from ..browser import Browser

WIDTHS = (1360, 768, 390, 320)
SCHEMES = ("light", "dark")
HOSTILE = "<img src=x onerror=alert(1)>\"'\u202e</script><script>alert(2)</script>"
# Whose text has less contrast than 4.5:1 (3:1 if large) with what is behind it.
FAINT = """(() => {
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const shine = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4).reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (each) => { for (; each; each = each.parentElement) { const c = numbers(getComputedStyle(each).backgroundColor); if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
  const found = [];
  for (const each of document.querySelectorAll("body *")) {
    const own = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || each.closest(".vh, option, dialog, svg") || !each.checkVisibility()) continue;
    const style = getComputedStyle(each), a = shine(numbers(style.color)), b = shine(behind(each));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), large = parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700;
    if (ratio < (large ? 3 : 4.5)) found.push(`${each.tagName}.${each.className}: ${each.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return found;
})()"""
# What reaches beyond the right edge, where nothing around it scrolls.
WIDE = """(document.documentElement.scrollWidth <= innerWidth ? [] : ["it scrolls sideways", ...[...document.querySelectorAll('body *')]
  .filter((each) => each.getBoundingClientRect().right > innerWidth + 1).map((each) => each.tagName + '.' + each.className)])"""
CONTROLS = {"button", "link", "textbox", "searchbox", "combobox", "checkbox", "DisclosureTriangle", "image", "img", "table", "navigation", "region"}


def looked_at(tab: Browser) -> list[str]:
    """What is wrong with the page that it shows, at each width and in both schemes."""
    found = []
    for scheme in SCHEMES:
        for width in WIDTHS:
            tab.look(width, scheme=scheme)
            found += [f"{width} {scheme}: {each}" for each in tab.evaluate(f"[...{FAINT}, ...{WIDE}]")]
    return found


def controls(tab: Browser) -> list[tuple[str, str]]:
    """Role and name of each thing that a reader of the screen can go to; of a table what is around it is the name."""
    tab.send("Accessibility.enable")
    nodes = tab.send("Accessibility.getFullAXTree")["nodes"]
    tab.send("Accessibility.disable")
    return [(node["role"]["value"], node["name"]["value"].strip()) for node in nodes if not node["ignored"] and node.get("role", {}).get("value") in CONTROLS - {"table"}]
