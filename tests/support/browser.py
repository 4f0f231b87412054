"""A real headless Chromium for tests of pages; where none can be had the test says so, and fails in CI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser named in LEYDEN_TEST_CHROMIUM, or the machine's."""
    path = os.environ.get("LEYDEN_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium to test with: install Debian's package `chromium`")
        pytest.skip("NOT RUN, no Chromium to test with (name one in LEYDEN_TEST_CHROMIUM)")
    with sync_playwright() as playwright:
        # Containers have no user namespaces for its sandbox; it opens nothing here but a server of ours.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()
