"""Takes pictures of the page for the README: starts the app on a workspace and opens it in Chromium.

    python benchmarks/screenshots.py --workspace workspace --out docs

`--arena` takes four pictures of the arena alone, with answers that wait for a vote: both languages, laptop and phone.

The workspace should contain a complete pipeline (`python -m pipeline all`); without one the pictures show the
empty page and the demo policies. The script asks one question in the arena and votes on it, so use a copy of the
workspace if its votes matter.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that it runs as a script

from ui.page import TABS  # noqa: E402
from ui.server import LANGUAGES  # noqa: E402
from ui.texts import Texts  # noqa: E402

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run")  # fmt: skip
PATIENCE = 600_000  # milliseconds; a machine that trains at the same time takes minutes to load the models
QUESTION = "How do I make tea?"
Scheme = Literal["light", "dark"]
LAPTOP, PHONE = (1366, 768), (390, 844)
RATERS = tuple((language, size) for size in (LAPTOP, PHONE) for language in ("en", "zh"))
LOOKS: tuple[tuple[str, tuple[int, int], Scheme], ...] = (
    ("zh", LAPTOP, "dark"),
    ("en", PHONE, "light"),
    ("zh", PHONE, "light"),
)


@contextlib.contextmanager
def app_on(workspace: Path) -> Iterator[str]:
    """The address of the app, running on a free port until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "app.py", "--workspace", str(workspace.resolve()), "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        deadline = time.monotonic() + PATIENCE / 1000
        while not answers(address):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the app did not start")
            time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(address: str) -> bool:
    """Whether something answers at the address."""
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def settled(page: Page) -> None:
    """Wait until the visible content has not changed for two seconds: charts are drawn and texts are complete.

    The page's timers constantly change classes of hidden elements; these changes do not count.
    """
    page.wait_for_function(
        """() => {
            const tabs = document.querySelector("#tabs");
            const seen = tabs.innerText.length + " " + tabs.querySelectorAll("svg *, img").length;
            if (seen !== window.lastSeen) [window.lastSeen, window.seenSince] = [seen, performance.now()];
            return performance.now() - window.seenSince > 2000;
        }""",
        polling=250,
    )


def go_to(page: Page, name: str, language: str) -> None:
    """Select a tab and wait until its content is complete."""
    page.get_by_role("tab", name=Texts(language)(f"tab.{name}"), exact=True).click()
    settled(page)


def ask(page: Page, prompt: str) -> None:
    """Ask in the arena and wait for the answers; the first answers also wait until the models are loaded."""
    page.locator("#prompt-box textarea, #prompt-box input").first.fill(prompt)
    page.locator("#ask-button").click()
    page.wait_for_selector("#vote-button:not([disabled])")
    settled(page)


def vote(page: Page) -> None:
    """Rank the answers with the keyboard and wait for the reveal."""
    page.locator(".keys").first.click()
    for key in "ba=dc":
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.wait_for_selector("#reveal table")
    settled(page)


def take(
    workspace: Path, out: Path, browser_path: str, everything: bool = False, arena: bool = False
) -> list[Path]:
    """Write the pictures and return their paths."""
    taken: list[Path] = []

    def shot(page: Page, name: str, full: bool = False) -> None:
        taken.append(out / f"{name}.png")
        page.screenshot(path=taken[-1], full_page=full)

    with app_on(workspace) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(FLAGS))

        def visit(language: str, width: int, height: int, scheme: Scheme = "light") -> Page:
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.set_default_timeout(PATIENCE)
            page.goto(f"{address}{LANGUAGES[language].rstrip('/')}/?lang={language}")
            page.wait_for_selector("#pipeline .chip", state="attached")  # folded on a phone
            settled(page)
            return page

        for language, size in RATERS if arena else ():
            page = visit(language, *size)
            go_to(page, "arena", language)
            ask(page, QUESTION)
            for letter in "BA":
                page.locator(f"#pane-{letter} .pane-head").click()
            page.mouse.move(0, 0)
            shot(page, f"arena-{language}-{'laptop' if size is LAPTOP else 'phone'}")
            page.close()
        if arena:
            browser.close()
            return taken
        page = visit("en", *LAPTOP)
        for name in TABS:
            go_to(page, name, "en")
            if name == "arena":
                page.set_viewport_size(
                    {"width": LAPTOP[0], "height": 1120}
                )  # answers and reveal in one picture
                ask(page, QUESTION)
                vote(page)
            shot(page, name, full=name == "evaluation")
            page.set_viewport_size({"width": LAPTOP[0], "height": LAPTOP[1]})
        if everything:
            for language, size, scheme in LOOKS:
                page = visit(language, *size, scheme)
                for name in TABS:
                    go_to(page, name, language)
                    if name == "arena":
                        ask(page, QUESTION)
                        vote(page)
                    shot(page, f"{name}-{language}-{size[0]}-{scheme}", full=True)
                page.close()
        browser.close()
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    parser.add_argument(
        "--everything",
        action="store_true",
        help="also full pages of each tab in both languages, on a phone, and dark",
    )
    parser.add_argument("--arena", action="store_true", help="the arena alone, before a vote")
    options = parser.parse_args()
    browsers = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    browser_path = next(filter(None, browsers), None)
    if browser_path is None:
        print("no chromium, chromium-browser or google-chrome found", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    for path in take(options.workspace, options.out, browser_path, options.everything, options.arena):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
