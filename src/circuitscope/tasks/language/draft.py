"""Draft: a text that is being written, with what is known after each of its words."""

from __future__ import annotations

from dataclasses import dataclass, field

Known = dict[str, str]
"""Hidden variables by name, for example ``{"number": "plural"}``; one that has no value is absent."""

_TIGHT_BEFORE = frozenset(".,:)]")
_TIGHT_AFTER = frozenset("([")


@dataclass(frozen=True)
class Document:
    """A text of the bundled language."""

    words: tuple[str, ...]
    """One per token of the bundled tokenizer, without BOS."""
    known: tuple[Known, ...]
    """For each word, the hidden variables that are settled once it is read."""

    @property
    def text(self) -> str:
        """The words as a person would write them."""
        parts: list[str] = []
        inside = False  # whether a quotation is open
        glue = True
        for word in self.words:
            closes = word == '"' and inside
            if not (glue or word in _TIGHT_BEFORE or closes):
                parts.append(" ")
            parts.append(word)
            if word == '"':
                inside = not inside
            glue = word in _TIGHT_AFTER or (word == '"' and inside)
        return "".join(parts)


@dataclass
class Draft:
    """Collects words; what is known stays known until it is changed."""

    words: list[str] = field(default_factory=list)
    known: list[Known] = field(default_factory=list)
    state: Known = field(default_factory=dict)

    def say(self, text: str, **learnt: str | None) -> None:
        """Add the words of ``text``; ``learnt`` holds from the last of them on; None ends a variable."""
        words = text.split()
        for number, word in enumerate(words):
            if number == len(words) - 1:
                for name, value in learnt.items():
                    self.learn(name, value)
            self.words.append(word)
            self.known.append(dict(self.state))

    def learn(self, name: str, value: str | None) -> None:
        """Set a variable, or end it, without a word."""
        if value is None:
            self.state.pop(name, None)
        else:
            self.state[name] = value

    def finish(self, most: int) -> Document:
        """The document, cut to at most ``most`` words."""
        return Document(tuple(self.words[:most]), tuple(self.known[:most]))
