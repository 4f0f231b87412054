"""The page in a real browser: links, keys, forms, accessibility, hostile spans, and traces that are very long."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from leyden_store.lightning import LightningStore
from leyden_store.runs import RunStatus
from tests.dashboards.trace_page import showcase
from tests.dashboards.trace_page.conftest import HOSTILE_RUN, LARGE_ROLLOUT, LARGE_TRACE, PAYLOAD, RUN, SPANS, TOKENS
from tests.support.browser import chromium
from tests.support.collector import Collector

VIEWS = {
    "traces": "/",
    "trace": f"/traces/{showcase.trace_id(1)}",
    "rollout": f"/rollouts/{showcase.GROUP}/2",
    "group": f"/groups/{showcase.GROUP}?a={showcase.GROUP}/0&b={showcase.GROUP}/1",
    "sessions": "/sessions",
    "queries": "/queries",
    "query": "/queries/support-graded",
    "export": "/exports/",
    "exports": "/exports",
    "labels": f"/labels/{showcase.trace_id(3)}/{showcase.span_id(3, 6)}",
    "runs": "/runs",
    "run": f"/runs/{showcase.RUN}",
    "status": "/status",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab in which nothing may go wrong unheard."""
    faults: list[str] = []
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
    tab.on("dialog", lambda dialog: faults.append(dialog.message))
    yield tab
    tab.close()
    assert faults == []


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, str]]:
    """A collector whose store looks lived in, and an export of it that the page began."""
    folder = tmp_path_factory.mktemp("shown")
    with Collector(f"chdb://{folder}/store", folder) as up:
        showcase.show(up)
        label = {"value": "0.5", "name": "tone", "correction": "Done: 39.90 are on their way.", "comment": "Too long."}
        assert httpx.post(up.url + VIEWS["labels"], data=label).is_redirect
        at: str = httpx.post(f"{up.url}/export/support-graded", data={"format": "trl-sft"}).headers["location"]
        yield up, at.removeprefix("/exports/")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_each_view_is_accessible_in_either_scheme(
    browser: Browser, shown: tuple[Collector, str], view: str, scheme: str
) -> None:
    """axe-core's rules of WCAG 2.1 A and AA, contrast included. LEYDEN_SCREENSHOTS=DIR keeps a picture of each."""
    up, exported = shown
    if view in ("run", "runs"):
        with LightningStore.open(up.dsn) as store:
            store.runs.beat(replace(store.runs.get(showcase.RUN), status=RunStatus.RUNNING, error=""))
    tab = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    tab.goto(up.url + VIEWS[view] + (exported if view == "export" else ""))
    if view == "export":
        tab.get_by_role("link", name="Download").wait_for()
    if view == "trace":
        tab.locator("summary", has_text="chat").first.click()
    if folder := os.environ.get("LEYDEN_SCREENSHOTS"):
        tab.screenshot(path=Path(folder) / f"{view}-{scheme}.png", full_page=view in ("rollout", "group"))
    rules = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
    found = Axe().run(tab, options=rules)
    tab.close()
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("path", ["/", f"/traces/{50:032x}", f"/rollouts/{quote(PAYLOAD)}"])
def test_a_hostile_span_leaves_a_view_accessible(browser: Browser, page_url: str, path: str) -> None:
    tab = browser.new_page()
    tab.goto(page_url + path)
    found = Axe().run(tab, options={"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa"]}})
    tab.close()
    assert found.violations_count == 0, found.generate_report()


def test_from_the_list_to_a_trace_to_its_rollout_and_back(page: Page, page_url: str) -> None:
    page.goto(page_url)
    page.get_by_role("link", name="shop assistant").first.click()
    page.get_by_role("link", name="conversation and training view").click()
    assert page.locator("h1").inner_text() == "Rollout task/2"
    page.get_by_role("link", name="span", exact=True).first.click()
    page.locator("li:target details[open]").wait_for()
    page.go_back()
    page.get_by_role("link", name="task", exact=True).click()
    page.get_by_label("task/0 on the left").check()
    page.get_by_label("task/1 on the right").check()
    page.get_by_role("button", name="Compare").click()
    assert page.locator(".sides section").count() == 2


def test_keys_search_move_and_open(page: Page, page_url: str) -> None:
    page.goto(page_url)
    page.keyboard.press("/")
    page.keyboard.type("answer 2 j")
    assert page.locator("#search").input_value() == "answer 2 j"  # letters are letters while one types
    page.locator("#search").fill("answer 2")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=answer*")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/traces/*")
    page.keyboard.press("o")
    assert page.locator("details[open]").count() == page.locator("main details").count()
    page.keyboard.press("o")
    assert page.locator("details[open]").count() == 0


def test_a_label_is_given_by_the_form(page: Page, page_url: str) -> None:
    page.goto(f"{page_url}/rollouts/task/2")
    page.get_by_label("Name").fill("style")
    page.get_by_label("Score").fill("0.75")
    page.get_by_label("Why").fill("clear & short")
    page.get_by_label("Comment").fill("Well done.")
    page.get_by_role("button", name="Give").click()
    page.wait_for_url("**#labels")
    assert "style 0.75 clear & short by page" in " ".join(page.locator("ul.rewards").first.inner_text().split())
    assert "Well done." in page.locator("ul.rewards").last.inner_text()


def test_a_span_is_corrected_from_its_trace_with_the_keyboard(page: Page, page_url: str) -> None:
    page.goto(f"{page_url}/traces/{2:032x}#s{4:016x}")
    page.locator("li:target").get_by_role("link", name="labels").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Correction").focus()
    page.keyboard.type("Better words / j k")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Better words / j k").wait_for()


def test_an_export_is_begun_and_seen_to_its_end_without_a_reload(page: Page, page_url: str) -> None:
    page.goto(f"{page_url}/queries/shop?format=turns#export")
    assert page.get_by_label("Format").input_value() == "turns"
    page.get_by_role("button", name="Export").click()
    page.wait_for_url("**/exports/*")
    with page.expect_download() as taken:
        page.get_by_role("link", name="Download").click()
    assert len(Path(taken.value.path()).read_text().splitlines()) == 6


def test_a_run_s_curves_and_progress_move_by_themselves(
    page: Page, page_url: str, page_dsn: str, under_way: str
) -> None:
    page.goto(f"{page_url}/queries/shop?trainer=trl-grpo&model=tiny#train")  # as Grafana links to it
    assert page.get_by_label("Trainer").input_value() == "trl-grpo"
    assert page.get_by_label("Model").input_value() == "tiny"
    page.get_by_role("link", name=under_way).click()
    page.get_by_text("running, 50 %").wait_for()
    page.evaluate("window.here = true")
    with LightningStore.open(page_dsn) as store:
        run = store.runs.get(RUN)
        store.runs.metrics(RUN, [(step, {"kl": 0.1 * step}) for step in (1, 2, 3)])
        store.runs.beat(replace(run, progress=0.75))
        page.get_by_text("running, 75 %").wait_for()
        page.locator("figure", has_text="kl").locator("polyline").wait_for()
        store.runs.beat(run)
    assert page.evaluate("window.here")
    assert page.get_by_role("progressbar").get_attribute("value") in ("0.5", "0.75")


def test_an_image_in_a_message_is_shown(page: Page, page_url: str) -> None:
    page.goto(f"{page_url}/rollouts/seen")
    assert page.locator("main img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 2


def test_two_rollouts_part_where_they_differ(page: Page, page_url: str) -> None:
    page.goto(f"{page_url}/groups/task?a=task/0&b=task/1")
    assert page.get_by_text("Alike in the first 1 messages.").is_visible()
    assert page.locator(".said > li:nth-child(2)").all_inner_texts() == ["They part here."] * 2


@pytest.mark.parametrize(
    "path",
    [
        f"/traces/{50:032x}",
        f"/rollouts/{quote(PAYLOAD)}",
        f"/groups/{quote(PAYLOAD)}",
        "/",
        "/?q=script",
        "/runs",
        f"/runs/{HOSTILE_RUN}",
        "/queries",
    ],
)
def test_a_hostile_span_runs_nothing(page: Page, page_url: str, path: str) -> None:
    page.goto(page_url + path)
    page.keyboard.press("o")
    page.wait_for_timeout(100)
    assert page.title() != "owned"
    assert page.locator("main img").count() == 0


def test_ten_thousand_spans_are_there_and_the_last_is_reached(page: Page, page_url: str) -> None:
    page.goto(f"{page_url}/traces/{LARGE_TRACE}#s{SPANS:016x}", timeout=60_000)
    assert page.locator(".waterfall li").count() == SPANS
    last = page.locator(f"#s{SPANS:016x}")
    assert last.locator("details[open]").count() == 1
    assert last.is_visible()


def test_a_hundred_thousand_tokens_are_there_and_only_those_in_sight_are_laid_out(page: Page, page_url: str) -> None:
    page.goto(f"{page_url}/rollouts/{LARGE_ROLLOUT}", timeout=60_000)
    assert page.locator(".tokens .tok").count() == TOKENS
    assert page.locator(".tokens .tok.t").count() == 10
    page.locator(".tokens .tok").last.scroll_into_view_if_needed()
    assert page.locator(".tokens .tok").last.is_visible()
    hidden = page.evaluate(
        "() => [...document.querySelectorAll('.tokens')]"
        ".filter((block) => !block.firstElementChild.checkVisibility({contentVisibilityAuto: true})).length"
    )
    assert hidden > TOKENS / 400 * 0.8
