"""Token ids and logprobs: arrays and JSON that spell a text without containing it."""

from __future__ import annotations

import re
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from leyden_collector.processors.texts import dump, parse

_KEY = re.compile(r"(?:^|[._])(?:(?:prompt|response|completion|output)?_?token_ids|logprobs)(?:[._]\w+)?$")


def is_token_data(key: str) -> bool:
    """Whether an attribute or a JSON member of this name holds token ids or logprobs."""
    return ("token_ids" in key or "logprobs" in key) and _KEY.search(key) is not None


def without_token_data(pairs: Any) -> int:
    """Take token data out of attributes, of what is nested in them and of JSON in them; how many there were."""
    found = [index for index, pair in enumerate(pairs) if is_token_data(pair.key)]
    for index in reversed(found):
        del pairs[index]
    return len(found) + sum(token_data_out(pair.value) for pair in pairs)


def token_data_out(value: AnyValue) -> int:
    """Take token data out of a value; how many there were."""
    kind = value.WhichOneof("value")
    if kind == "kvlist_value":
        return without_token_data(value.kvlist_value.values)
    if kind == "array_value":
        return sum(map(token_data_out, value.array_value.values))
    if kind == "string_value":
        text = value.string_value
        if "token_ids" not in text and "logprobs" not in text:
            return 0
        before = parse(text)
        if before is None:
            return 0
        after, gone = _without(before)
        if gone:
            value.string_value = dump(after)
        return gone
    return 0


def _without(tree: Any) -> tuple[Any, int]:
    if isinstance(tree, dict):
        kept = {key: _without(item) for key, item in tree.items() if not is_token_data(key)}
        gone = len(tree) - len(kept) + sum(lost for _, lost in kept.values())
        return {key: item for key, (item, _) in kept.items()}, gone
    if isinstance(tree, list):
        items = [_without(item) for item in tree]
        return [item for item, _ in items], sum(lost for _, lost in items)
    return tree, 0
