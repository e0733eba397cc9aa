"""A real Chromium, headless, for pages that are looked at: `from browser import browser` makes it a fixture.

`TRAINING_REQUIRE=browser` makes a missing one a failure. A failed test leaves a picture in `TRAINING_PICTURES`.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from services import missing

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

SECONDS = 120
"""How long a page may take on a busy machine before a test gives up on it."""


def lacking() -> str:
    """What keeps a browser from being driven; empty where nothing does."""
    if sys.platform != "linux":
        return "the browser tests drive Debian's Chromium"
    absent = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"no {' and no '.join(absent)}: apt-get install chromium chromium-driver" if absent else ""


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """A browser that has seen nothing; it ends with the test."""
    if reason := lacking():
        missing("browser", reason)
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    profile = tmp_path_factory.mktemp("browser")
    options = Options()
    options.binary_location = shutil.which("chromium")
    for flag in (
        "headless=new", "no-sandbox", "disable-gpu", "no-first-run", "disable-dev-shm-usage",
        "disable-background-networking", "disable-component-update", "disable-sync", "window-size=1400,1000",
        f"user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    driver.set_page_load_timeout(SECONDS)
    yield driver
    driver.quit()


def eventually(question: Callable[[], Any], what: str, *, seconds: float = SECONDS) -> Any:
    """The first true answer; a page that is being drawn anew while it is asked has not answered."""
    from selenium.common.exceptions import WebDriverException

    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = question()
        except WebDriverException as error:
            answer, trouble = None, str(error)
        else:
            trouble = ""
        if answer:
            return answer
        assert time.monotonic() < deadline, f"never: {what} {trouble}"
        time.sleep(0.2)


def picture(driver: WebDriver, name: str) -> None:
    """Takes a picture of the page where `TRAINING_PICTURES` names a folder for it."""
    if folder := os.environ.get("TRAINING_PICTURES"):
        driver.save_screenshot(str(Path(folder, f"{name}.png")))
