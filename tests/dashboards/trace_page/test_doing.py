"""What is done on the page beside reading: labels, exports, training; and how what is under way is shown."""

from __future__ import annotations

import re
import time

import httpx
import pytest

from tests.dashboards.trace_page.conftest import PAYLOAD, RUN
from tests.dashboards.trace_page.test_pages import get

CALL = f"{1:032x}/{4:016x}"


def sent(page_url: str, path: str, status: int = 303, **form: str) -> str:
    """Where a form leads, or what its refusal says."""
    answer = httpx.post(page_url + path, data=form, timeout=60)
    assert answer.status_code == status, answer.text
    return answer.headers.get("location", answer.text)


def until(page_url: str, path: str, word: str) -> str:
    """The page as soon as its state says the word."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        text = get(page_url, path)
        if word in re.findall(r'role="status"[^>]*>([^<]*)', text)[0]:
            return text
        time.sleep(0.2)
    raise AssertionError(text)


def test_a_span_is_scored_corrected_and_commented(page_url: str) -> None:
    given = {"value": "0.5", "name": "tone", "explanation": "dry", "correction": "Good day.", "comment": PAYLOAD}
    assert sent(page_url, f"/labels/{CALL}", **given) == f"/labels/{CALL}"
    text = get(page_url, f"/labels/{CALL}")
    assert "tone 0.5" in text
    assert "Good day." in text
    assert "<img src=x" not in text
    shown = get(page_url, "/rollouts/task/0")
    assert "Good day." in shown
    assert "by page" in shown


def test_a_rollout_is_commented_on_its_page(page_url: str) -> None:
    assert sent(page_url, "/rollouts/task/2", comment="quick") == "/rollouts/task/2#labels"
    assert "quick" in get(page_url, "/rollouts/task/2")
    assert sent(page_url, "/rollouts/task/2", span=f"{3:032x}/{4:016x}", correction="slower").startswith("/rollouts")
    assert "slower" in get(page_url, f"/labels/{3:032x}/{4:016x}")


@pytest.mark.parametrize(
    ("path", "form", "said"),
    [
        ("/rollouts/task/0", {}, "say something"),
        ("/rollouts/task/0", {"correction": "better"}, "a correction is of one reply"),
        ("/rollouts/task/0", {"value": "nan"}, "finite"),
        ("/labels/task/0", {"comment": " "}, "say something"),
    ],
)
def test_a_label_that_says_nothing_is_refused(page_url: str, path: str, form: dict[str, str], said: str) -> None:
    assert said in sent(page_url, path, 400, **form)


def test_what_is_not_there_cannot_be_labelled(page_url: str) -> None:
    assert "is called" in sent(page_url, "/labels/nothing", 404, comment="x")
    get(page_url, "/labels/nothing", 404)


def test_a_query_is_exported_watched_and_downloaded(page_url: str) -> None:
    assert "<option selected>trl-sft</option>" in get(page_url, "/queries/shop")
    assert "<option selected>turns</option>" in get(page_url, "/queries/shop?format=turns")
    at = sent(page_url, "/export/shop", format="turns")
    text = until(page_url, at, "done")
    assert "data-again" not in text
    assert "6 rows" in text
    (file,) = re.findall(r'href="(/api/exports/[^"]+/file)"', text)
    assert len(httpx.get(page_url + file).text.splitlines()) == 6
    assert at in get(page_url, "/exports")
    assert at in get(page_url, "/queries/shop")


def test_an_export_that_fails_says_why(page_url: str) -> None:
    at = sent(page_url, "/export/shop", format="turnips")
    assert "turnips" in until(page_url, at, "failed")
    assert "no number" in sent(page_url, "/export/shop", 400, format="turns", min_reward="much")
    assert "finite" in sent(page_url, "/export/shop", 400, format="turns", min_reward="nan")
    assert "at most 200" in sent(page_url, f"/export/{'q' * 300}", 400, format="turns")
    assert "no saved query" in sent(page_url, "/export/none", 404, format="turns")
    get(page_url, "/exports/none", 404)


def test_training_begins_on_the_page_and_its_run_says_how_it_goes(page_url: str) -> None:
    asked = {"trainer": "trl-sft", "model": "/nowhere/at/all", "settings": "max_steps=1\n\nreport_to=none"}
    at = sent(page_url, "/train/shop", **asked)
    assert at.startswith("/runs/")
    text = until(page_url, at, "failed")
    assert "/nowhere/at/all" in text
    assert at in get(page_url, "/queries/shop")
    assert at in get(page_url, "/runs")


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("/train/none", {"trainer": "trl-sft", "model": "m"}, 404),
        ("/train/shop", {"trainer": "none", "model": "m"}, 400),
        ("/train/shop", {"trainer": "trl-sft", "model": "m", "settings": "max_steps"}, 400),
        ("/train/shop", {"trainer": "trl-sft"}, 400),
        ("/runs/none/cancel", {}, 404),
        (f"/runs/{RUN}/cancel", {}, 409),
    ],
)
def test_training_that_cannot_be_is_refused_on_a_page(
    page_url: str, path: str, form: dict[str, str], status: int
) -> None:
    assert 'role="alert"' in sent(page_url, path, status, **form)


def test_a_run_under_way_shows_how_far_it_is(page_url: str, under_way: str) -> None:
    text = get(page_url, f"/runs/{under_way}")
    assert re.search(r"data-again>running, 50 % of its steps done", text)
    assert '<progress aria-label="share of the run\'s steps that are done" max="1" value="0.5">' in text
    assert "running 50 %" in get(page_url, "/runs")


def test_the_status_page_says_how_the_collector_fares(page_url: str) -> None:
    text = get(page_url, "/status")
    assert "All is well." in text
    assert re.search(r"<td>otel_traces</td><td class=\"n\">\d{5}", text)


@pytest.mark.parametrize("path", ["/export/shop", "/train/shop", f"/labels/{CALL}", f"/runs/{RUN}/cancel"])
def test_no_form_on_another_site_does_anything(page_url: str, path: str) -> None:
    form = {"format": "turns", "trainer": "trl-sft", "model": "m", "comment": "forged"}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        answer = httpx.post(page_url + path, data=form, headers=headers)
        assert answer.status_code == 403
        assert "another site" in answer.text
