# SPDX-License-Identifier: Apache-2.0
"""The pages as data: fenced blocks, commands in them, links, and mentions of the command line."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"\s+#\s.*$")


@dataclass(frozen=True)
class Command:
    """One command of a ```console or ```sh block. `status`: the exit code it shall have (`# exit code 2` behind it).
    `output`: the lines below it in a console block."""

    page: str
    text: str
    status: int = 0
    output: tuple[str, ...] = field(default=(), compare=False)

    @property
    def words(self) -> list[str]:
        """As a shell splits it, without leading assignments."""
        words = shlex.split(self.text)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        return words


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, text, and the line before the fence."""

    page: Path
    language: str
    text: str
    before: str


def name(page: Path) -> str:
    """A page's path from the top of the repository."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    text = page.read_text()
    return [
        Block(page, m[1], m[2], text[: m.start()].rstrip().rsplit("\n", 1)[-1]) for m in _FENCE.finditer(text)
    ]


def _commands(block: Block) -> list[Command]:
    """console: what follows `$ `, continued lines joined, the rest is output. sh: every line."""
    text = block.text.replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    starts = [i for i, line in enumerate(lines) if line.startswith("$ ") or block.language != "console"]
    found = []
    for i, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        line = lines[i].removeprefix("$ ")
        status = re.search(r"#\s*exit code (\d)", line)
        command = _COMMENT.sub("", line).strip()
        found.append(Command(name(block.page), command, int(status[1]) if status else 0, tuple(lines[i + 1 : end])))
    return found


def commands() -> list[Command]:
    """Every command of every page, each once, in order."""
    found = [c for p in PAGES for b in blocks(p) if b.language in ("console", "sh") for c in _commands(b)]
    return list(dict.fromkeys(found))


def without_blocks(page: Path) -> str:
    """A page's prose."""
    return _FENCE.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """Targets of links and pictures that lead to files of the repository."""
    found = re.findall(r"!?\[[^\]]*\]\(([^)\s]+)\)", without_blocks(page))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def mentions(page: Path) -> list[str]:
    """Command lines of `esl-ref` in running text: what stands between a pair of backticks."""
    return [text for text in re.findall(r"`([^`\n]+)`", without_blocks(page)) if text.startswith("esl-ref ")]
