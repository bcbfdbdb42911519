"""Tokenizers that know single letters alone, made on the spot."""

import json
from pathlib import Path

from transformers import CLIPTokenizer, T5Tokenizer

_START, _END = "<|startoftext|>", "<|endoftext|>"
_TOKENS_AT_MOST = 77


def clip_tokenizer(folder: Path, *, pad: str = _END) -> CLIPTokenizer:
    """A CLIP tokenizer without merges: every byte is a token, once inside a word and once at its end."""
    folder.mkdir(parents=True)
    letters = _byte_letters()
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), _START, _END]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": _TOKENS_AT_MOST,
        "unk_token": _END,
        "bos_token": _START,
        "eos_token": _END,
        "pad_token": pad,
        "do_lower_case": True,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)


def t5_tokenizer() -> T5Tokenizer:
    """A T5 tokenizer of the printable ASCII characters."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    return T5Tokenizer(vocab=pieces + [(chr(code), -3.0) for code in range(0x21, 0x7F)], extra_ids=0)


def _byte_letters() -> list[str]:
    """The printable stand-ins that byte-level tokenizers give to the 256 bytes (a convention of GPT-2)."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(256, 512))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]
