"""The pages as they are sent: what they hold, what they refuse, and that nothing stored gets through as markup."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import quote

import httpx
import pytest

from tests.dashboards.trace_page.conftest import GROUP, HOSTILE_RUN, PAYLOAD

ROLLOUT = "/rollouts/task/0"


def get(page_url: str, path: str, status: int = 200) -> str:
    answer = httpx.get(page_url + path, timeout=60)
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


def listed(text: str) -> list[str]:
    return re.findall(r'<a href="/traces/([0-9a-f]{32})">', text)


def test_the_list_has_every_trace_newest_first(page_url: str) -> None:
    found = [int(trace, 16) for trace in listed(get(page_url, "/"))]
    assert found[:GROUP] == [3, 2, 1]
    assert sorted(found) == [1, 2, 3, 50, 60, 77]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("group=task", [3, 2, 1]),
        ("rollout=task/1", [2]),
        ("reward=reward%3E0.5&group=task", [2]),
        ("reward=reward<1&group=task", [3, 1]),
        ("status=error&group=task", [3, 2, 1]),
        ("status=ok", [60, 77]),
        ("model=none", []),
    ],
)
def test_filters_choose(page_url: str, asked: str, expected: list[int]) -> None:
    assert [int(trace, 16) for trace in listed(get(page_url, f"/?{asked}"))] == expected


def test_words_find_the_span_that_holds_them(page_url: str) -> None:
    assert f"/traces/{2:032x}#s{4:016x}" in get(page_url, "/?q=answer+1")
    assert "Nothing matches" in get(page_url, "/?q=nowhere")


def test_a_filter_that_cannot_be_is_said_on_the_page(page_url: str) -> None:
    assert "is no comparison: write &#39;&gt;0.5&#39;" in get(page_url, "/?reward=good", 400)
    assert "no saved query is called" in get(page_url, "/?query=none", 400)


def test_a_trace_is_a_tree_with_bars(page_url: str) -> None:
    text = get(page_url, f"/traces/{1:032x}")
    assert re.findall(r'<li class="d(\d)"', text) == ["0", "1", "1", "1"]
    assert re.findall(r'<rect class="(\w+)"', text) == ["other", "llm", "error", "llm"]


def test_a_rollout_is_a_conversation_and_the_tokens_training_sees(page_url: str) -> None:
    text = get(page_url, ROLLOUT)
    assert re.findall(r'<li class="(\w+)"', text) == ["user", "assistant", "assistant"]
    tokens = re.findall(r'<span class="(tok[^"]*)" title="(\d+): id (\d+)[^"]*">(\d+)</span>', text)
    assert [int(token) for *_, token in tokens] == [1, 2, 3, 4, 5, 6, 7]
    assert [shade for shade, *_ in tokens] == ["tok", "tok", "tok t s0", "tok t s3", "tok", "tok t s0", "tok t s3"]
    advantage = re.findall(r"advantage (-?[\d.]+)", text)
    assert len(advantage) == 4
    assert len(set(advantage)) == 1
    assert float(advantage[0]) < 0  # its reward is 0, and one of the three has 1
    assert text.count("kept in trajectory 0") == 2


def test_a_trace_that_names_no_rollout_is_found_by_its_id(page_url: str) -> None:
    assert f"trace {1:032x}"[:14] in get(page_url, f"/rollouts/{1:032x}")


def test_two_rollouts_of_a_group_stand_side_by_side(page_url: str) -> None:
    text = get(page_url, "/groups/task?a=task/0&b=task/2")
    assert re.findall(r'<section aria-label="([^"]+)">', text) == ["task/0", "task/2"]


@pytest.mark.parametrize("path", ["/traces/zz", "/rollouts/none", "/groups/none", "/runs/none"])
def test_what_is_not_there_is_said_on_a_page(page_url: str, path: str) -> None:
    assert 'role="alert"' in get(page_url, path, 404)


@pytest.mark.parametrize(
    "path",
    ["/", "/?q=script", "/sessions", "/queries", "/runs", f"/runs/{HOSTILE_RUN}", f"/labels/{50:032x}", "/status",
     f"/traces/{50:032x}", f"/rollouts/{quote(PAYLOAD)}",
     f"/groups/{quote(PAYLOAD)}", f"/?agent={quote(PAYLOAD)}", f"/?reward={quote(PAYLOAD)}"],
)  # fmt: skip
def test_nothing_stored_or_asked_gets_through_as_markup(page_url: str, path: str) -> None:
    text = httpx.get(page_url + path, timeout=60).text
    assert "<img src=x" not in text
    assert len(re.findall(r"<script", text)) == 1
    assert 'href="javascript' not in text
    assert 'src="javascript' not in text
    if path.startswith("/traces"):
        assert PAYLOAD in unescape(text)


def test_a_reward_given_on_the_page_is_the_rollouts(page_url: str) -> None:
    answer = httpx.post(page_url + "/rollouts/task/1", data={"value": "0.25", "name": "taste"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/rollouts/task/1#labels")
    assert "taste 0.25" in get(page_url, "/rollouts/task/1")
    turn = f"{2:032x}/{2:016x}"
    assert httpx.post(page_url + "/rollouts/task/1", data={"value": "-1", "name": "tone", "span": turn}).is_redirect
    assert re.search(r'id="t0000000000000002">.*?tone -1', get(page_url, "/rollouts/task/1"), re.DOTALL)


@pytest.mark.parametrize("value", ["nan", "inf", "", "much"])
def test_a_reward_that_is_no_number_is_refused(page_url: str, value: str) -> None:
    assert httpx.post(page_url + ROLLOUT, data={"value": value}).status_code == 400


@pytest.mark.parametrize(
    "sent", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}]
)
def test_a_form_on_another_site_changes_nothing(page_url: str, sent: dict[str, str]) -> None:
    answer = httpx.post(page_url + ROLLOUT, data={"value": "9", "name": "forged"}, headers=sent)
    assert answer.status_code == 403
    assert "forged" not in get(page_url, ROLLOUT)


def test_a_trigger_that_is_not_there_cannot_be_fired(page_url: str) -> None:
    assert httpx.post(page_url + "/triggers/none/run").status_code == 404


def test_nothing_is_fetched_from_elsewhere(page_url: str) -> None:
    for path in ("/", ROLLOUT, "/runs"):
        assert not re.search(r'(src|href)="(https?:)?//', get(page_url, path))
    assert httpx.get(page_url + "/static/style.css").headers["content-type"].startswith("text/css")
    assert httpx.get(page_url + "/static/../routes.py").status_code == 404
