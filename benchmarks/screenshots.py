"""Pictures of the page for the README: starts the app on a workspace and looks at it with Chromium.

    python benchmarks/screenshots.py --workspace workspace --out docs

The workspace should hold a finished pipeline (`python -m pipeline all`); without one the pictures show the
empty page and the demo policies. Asks one question in the arena and votes on it: use a copy if votes matter.
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

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run")  # fmt: skip
PATIENCE = 180_000  # milliseconds


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


def tab(page: Page, number: int) -> None:
    """Bring a tab to the front by its place, in any language, and let its charts be drawn."""
    page.locator("#tabs button[role=tab]:visible").nth(number).click()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(4000)


def ask(page: Page, prompt: str) -> None:
    """Ask in the arena and wait for the four answers."""
    page.locator("#prompt-box textarea, #prompt-box input").first.fill(prompt)
    page.locator("#ask-button").click()
    page.wait_for_selector("#vote-button:not([disabled])")
    page.wait_for_timeout(500)


def vote(page: Page) -> None:
    """Rank the answers with the keyboard and wait for the reveal."""
    page.locator(".keys").first.click()
    for key in "ba=dc":
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.wait_for_selector("#reveal table")
    page.wait_for_timeout(1500)


def take(workspace: Path, out: Path, browser_path: str) -> list[Path]:
    """Write the pictures and return their paths."""
    taken: list[Path] = []

    def shot(page: Page, name: str, full: bool = False) -> None:
        taken.append(out / f"{name}.png")
        page.screenshot(path=taken[-1], full_page=full)

    with app_on(workspace) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(FLAGS))

        def visit(path: str = "/", width: int = 1366, height: int = 800, scheme: str = "light") -> Page:
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.set_default_timeout(PATIENCE)
            page.goto(address + path)
            page.wait_for_selector("#pipeline .chip")
            page.wait_for_timeout(2000)
            return page

        page = visit()
        shot(page, "data")
        for number, name in ((1, "sft"), (2, "reward"), (3, "ppo")):
            tab(page, number)
            shot(page, name)
        tab(page, 4)
        ask(page, "How do I make tea?")
        shot(page, "arena")
        vote(page)
        shot(page, "arena-reveal", full=True)
        tab(page, 5)
        shot(page, "evaluation", full=True)
        tab(page, 6)
        shot(page, "runs")
        page = visit("/zh/?lang=zh", scheme="dark")
        tab(page, 3)
        shot(page, "ppo-zh-dark")
        shot(visit(width=390, height=844), "phone")
        browser.close()
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    options = parser.parse_args()
    browsers = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    browser_path = next(filter(None, browsers), None)
    if browser_path is None:
        print("no chromium, chromium-browser or google-chrome found", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    for path in take(options.workspace, options.out, browser_path):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
