"""A real tokenizer made on the spot: one token a character, and a chat template like ChatML's with its newlines."""

from __future__ import annotations

from typing import Any

TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>"
    "{{ m.content }}"
    "{% for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}"
    "<end>\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
"""After each message's end comes a newline that no policy samples."""

REWORDING = TEMPLATE.replace("{{ m.content }}", "{{ m.content if loop.last else m.content | upper }}")
"""Words the history otherwise once something follows it."""


def tiny_tokenizer(template: str = TEMPLATE) -> Any:
    """A `transformers` tokenizer over printable ASCII; `save_pretrained` makes it one of a folder."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    marks = ["<pad>", "<end>", "<system>", "<user>", "<assistant>", "<tool>"]
    vocabulary = {text: number for number, text in enumerate([*marks, "\n", *map(chr, range(32, 127))])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    made.decoder = decoders.Fuse()
    make: Any = PreTrainedTokenizerFast
    fast = make(tokenizer_object=made, pad_token="<pad>", eos_token="<end>")
    fast.add_special_tokens({"additional_special_tokens": marks[2:]})
    fast.chat_template = template
    return fast
