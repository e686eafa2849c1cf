"""Takes the pictures of docs/ui.md and the README: starts the app and opens it in Chromium.

    python benchmarks/screenshots.py --workspace workspace --out docs/ui

Two pictures are of a fresh installation: the start page, and a round of the shipped policies in the arena.
The others show every tab on the given workspace, in both languages, on a laptop and on a phone, in light and
dark; it should contain a complete pipeline (`python -m pipeline all`). The script asks in the arena and votes
on the answers, so use a copy of the workspace if its votes matter. It takes whatever answers come.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that it runs as a script

from ui.page import TABS  # noqa: E402
from ui.server import LANGUAGES  # noqa: E402
from ui.texts import Texts  # noqa: E402

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run")  # fmt: skip
PATIENCE = 600_000  # milliseconds; a machine that trains at the same time takes minutes to load the models
LONGEST = 12_000  # milliseconds that a picture waits for a page to come to rest
QUESTION = "What should I cook with rice and two eggs?"
QUALITY = 78  # of the pictures, in WebP's scale from 0 to 100
Size = tuple[int, int]
Scheme = Literal["light", "dark"]
LAPTOP, PHONE = (1366, 768), (390, 844)
WHOLE_ROUND = (1366, 1080)  # the answers, the vote and the reveal in one picture
LOOKS: tuple[tuple[str, Size, Scheme], ...] = (
    ("en", LAPTOP, "light"),
    ("zh", LAPTOP, "dark"),
    ("en", PHONE, "dark"),
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

    The page's timers constantly change classes of hidden elements; these changes do not count. A page that
    still changes after `LONGEST` is taken as it is.
    """
    with contextlib.suppress(TimeoutError):
        page.wait_for_function(
            """() => {
                const tabs = document.querySelector("#tabs");
                const seen = tabs.innerText.length + " " + tabs.querySelectorAll("svg *, img").length;
                if (seen !== window.lastSeen) [window.lastSeen, window.seenSince] = [seen, performance.now()];
                return performance.now() - window.seenSince > 2000;
            }""",
            polling=250,
            timeout=LONGEST,
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


def visit(browser: Browser, address: str, language: str, size: Size, scheme: Scheme = "light") -> Page:
    """A new page in a language, once its content is complete."""
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}{LANGUAGES[language].rstrip('/')}/?lang={language}")
    page.wait_for_selector("#pipeline .chip", state="attached")  # folded on a phone
    settled(page)
    return page


def shoot(page: Page, path: Path) -> Path:
    """Write what the window shows as a WebP picture."""
    Image.open(io.BytesIO(page.screenshot())).save(path, quality=QUALITY, method=6)
    return path


def take_fresh(browser: Browser, out: Path) -> Iterator[Path]:
    """The pictures of a fresh installation."""
    with tempfile.TemporaryDirectory() as folder, app_on(Path(folder) / "workspace") as address:
        page = visit(browser, address, "en", LAPTOP)
        yield shoot(page, out / "first-minute.webp")
        page.set_viewport_size({"width": WHOLE_ROUND[0], "height": WHOLE_ROUND[1]})
        go_to(page, "arena", "en")
        ask(page, QUESTION)
        vote(page)
        page.evaluate("scrollTo(0, 0)")
        yield shoot(page, out / "round.webp")
        page.close()


def take_tabs(browser: Browser, workspace: Path, out: Path) -> Iterator[Path]:
    """The pictures of every tab on a workspace, in every look."""
    with app_on(workspace) as address:
        for language, size, scheme in LOOKS:
            page = visit(browser, address, language, size, scheme)
            for name in TABS:
                go_to(page, name, language)
                if name == "arena":
                    ask(page, QUESTION)
                if name == "arena" and size == LAPTOP:  # on the phone the answers wait for a vote
                    vote(page)
                page.evaluate("scrollTo(0, 0)")
                yield shoot(page, out / f"{name}-{language}-{size[0]}.webp")
            page.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "ui")
    parser.add_argument("--only", choices=("fresh", "tabs"), help="only one of the two sets of pictures")
    options = parser.parse_args()
    browsers = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    browser_path = next(filter(None, browsers), None)
    if browser_path is None:
        print("no chromium, chromium-browser or google-chrome found", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(FLAGS))
        if options.only != "tabs":
            for path in take_fresh(browser, options.out):
                print(path)
        if options.only != "fresh":
            for path in take_tabs(browser, options.workspace, options.out):
                print(path)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
