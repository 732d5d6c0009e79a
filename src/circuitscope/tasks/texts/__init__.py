"""Plain text as documents, read one at a time: files, folders, a data set on the hub, the bundled language."""

from circuitscope.tasks.texts.plain_text import PlainText, open_texts
from circuitscope.tasks.texts.sources import TextFile

__all__ = ["PlainText", "TextFile", "open_texts"]
