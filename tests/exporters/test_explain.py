"""A person can see what training sees."""

from __future__ import annotations

from leyden_exporters.explain import explain
from leyden_exporters.options import Options
from leyden_store.turns import Dropped, DropReason, Rollout
from tests.exporters.making import rollout, turn


def the_rollout() -> Rollout:
    turns = [
        turn(0, [1, 2], [3, 4]),
        turn(1, [1, 2, 3, 4, 5], [6, 7]),
        turn(2, [1, 2, 3, 9], [8], None),
        turn(3, None, None, status="error", error="429"),
    ]
    return rollout(turns, group_id="g", rewards=0.5, dropped=[Dropped("t", "s9", "r", DropReason.DOUBLED)])


def test_the_text_shows_chains_masks_breaks_rewards_and_reasons() -> None:
    assert explain(the_rollout()).to_text() == "\n".join(
        [
            "rollout r  group g  reward 0.5 (rollout)",
            "",
            "row 0: first of its rollout",
            "       0  1 2",
            "       2  ⟦3 4⟧  s0",
            "       4  5",
            "       5  ⟦6 7⟧  s1",
            "",
            "row 1: broken from row 0 at token 3: after “1 2 3” comes “9” here, “4 5 6 7” there, no logprobs",
            "       0  1 2 3 9",
            "       4  ⟦8⟧  s2",
            "",
            "spans",
            "  s0  row 0",
            "  s1  row 0",
            "  s2  row 1 (broken from row 0 at token 3: after [1 2 3] comes 9 here, 4 there)",
            "  s3  dropped: failed (429)",
            "  s9  dropped: unread (doubled)",
        ]
    )


def test_pieces_give_the_row_back_and_are_decoded() -> None:
    explanation = explain(the_rollout(), decode=lambda ids: "".join(chr(ord("a") + one) for one in ids))
    first = explanation.rows[0]
    assert [one for piece in first.pieces for one in piece.ids] == [1, 2, 3, 4, 5, 6, 7]
    assert [piece.text for piece in first.pieces] == ["bc", "de", "f", "gh"]
    assert [piece.trained for piece in first.pieces] == [False, True, False, True]


def test_a_row_that_left_a_dropped_one_says_so() -> None:
    explanation = explain(the_rollout(), Options(max_tokens=2))
    assert explanation.rows == ()
    long_first = rollout([turn(0, [1, 2, 3, 4], [5]), turn(1, [1, 2], [3])])
    (row,) = explain(long_first, Options(max_tokens=4)).rows
    assert row.began == "separate from a row that was dropped at token 2"


def test_two_adjacent_responses_are_two_pieces() -> None:
    (row,) = explain(rollout([turn(0, [1], [2]), turn(1, [1, 2], [3])])).rows
    assert [(piece.ids, piece.span_id) for piece in row.pieces] == [((1,), ""), ((2,), "s0"), ((3,), "s1")]


def test_a_conversation_of_its_own_is_said_by_how_it_begins() -> None:
    two = rollout([turn(0, [1, 2], [3]), turn(1, [9, 2], [4])])
    assert "at token 0: it begins with “9 2” here, “1 2 3” there" in explain(two).to_text()
