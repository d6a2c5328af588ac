"""Mutants of whole files: what is cut, flipped, doubled, moved, or says something extreme."""

from __future__ import annotations

import random
import string
import struct

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
TOKENS = (
    "nan", "-inf", "1e999", "[" * 3000, "{", "}", '"', "\\", "\0", "\n", "=", "true", "null", "-1", "0.0", "{}",
    "{0.__class__}", "{side!r:>999999999}", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "999" * 2000,
)  # fmt: skip


def mutant(data: bytes, others: list[bytes], random_: random.Random) -> bytes:
    """One to four changes of a binary file."""
    changed = bytearray(data)
    for _ in range(random_.randint(1, 4)):
        if not changed:
            break
        at = random_.randrange(len(changed))
        length = min(random_.choice((1, 2, 4, 16, 200, len(changed))), len(changed) - at)
        match random_.randrange(8):
            case 0:
                del changed[at:]
            case 1:
                changed[at] ^= 1 << random_.randrange(8)
            case 2:
                changed[at : at + length] = random_.randbytes(length)
            case 3:
                del changed[at : at + length]
            case 4:
                changed[at:at] = changed[at : at + length] * random_.choice((1, 2, 50))
            case 5:
                form = random_.choice((">I", "<I", ">H", "<H"))
                value = random_.choice(EXTREMES) & (0xFFFF if form[1] == "H" else 0xFFFFFFFF)
                packed = struct.pack(form, value)
                changed[at : at + len(packed)] = packed
            case 6:
                other = random_.choice(others)
                start = random_.randrange(len(other))
                changed[at : at + length] = other[start : start + length]
            case _:
                head = random_.randrange(min(64, len(changed)))  # headers are where lies tell most
                changed[head] = random_.randrange(256)
    return bytes(changed)


def text_mutant(data: bytes, others: list[bytes], random_: random.Random) -> bytes:
    """As `mutant`, or changes that leave text: tokens put in, characters replaced, lines doubled or swapped."""
    if random_.random() < 0.3:
        return mutant(data, others, random_)
    text = data.decode()
    for _ in range(random_.randint(1, 3)):
        at = random_.randrange(len(text) + 1)
        match random_.randrange(4):
            case 0:
                text = text[:at] + random_.choice(TOKENS) + text[at:]
            case 1:
                text = text[:at] + random_.choice(string.printable) + text[at + 1 :]
            case 2:
                lines = text.splitlines(keepends=True) or [""]
                lines.insert(random_.randrange(len(lines) + 1), random_.choice(lines))
                text = "".join(lines)
            case _:
                numbers = [i for i, c in enumerate(text) if c.isdigit()]
                if numbers:
                    at = random_.choice(numbers)
                    text = text[:at] + random_.choice(TOKENS) + text[at + 1 :]
    return text.encode("utf-8", "surrogatepass")
