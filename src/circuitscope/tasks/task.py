"""Task: a behaviour's examples in two splits, from templates, files or Python."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from circuitscope.errors import BadInput, NothingFound
from circuitscope.model import LanguageModel, decide_bos
from circuitscope.results import FILES, OBJECTS, PROMPT, TEMPLATE, TaskSource
from circuitscope.runs import hash_json
from circuitscope.tasks.agreement import STRUCTURES, agreement_examples, refuse_unknown_structure
from circuitscope.tasks.examples import Example, as_line, parse_example, read_examples
from circuitscope.tasks.inputs import OTHER_LENGTH, SAME_TEXT, Encoded, Skipped, encode_examples, types_bos

Examples = Sequence[Example | Mapping[str, Any]]

USABLE = (
    "pairs of texts that differ and have the same number of tokens, and answers that add exactly one token"
)
"""What examples have to be."""

HELD_OUT_SHARE = 0.25
"""Share of a single file's examples that become its test split."""


@dataclass(frozen=True, repr=False)
class Task:
    """Examples to discover a circuit on (``train``) and to evaluate it on (``test``)."""

    name: str
    train: tuple[Example, ...]
    test: tuple[Example, ...]
    is_template: bool = False
    """Whether all examples have one length, so that positions can be kept."""
    source: TaskSource | None = None
    """How to open it again; None for examples that were made in Python."""

    def __repr__(self) -> str:
        example = next(iter((*self.train, *self.test)), None)
        kind = "single inputs" if example is None else example.kind
        shown = (
            "" if example is None else f"\n  {example.clean_prefix!r} → {' or '.join(example.clean_answer)!r}"
        )
        if example is not None and example.is_pair:
            shown += f"\n  {example.patch_prefix!r} → {' or '.join(example.patch_answer)!r}"
        return f"Task({self.name}: {len(self.train)} train and {len(self.test)} test {kind}{shown})"

    @property
    def pairs(self) -> bool:
        """Whether the examples are minimal pairs (else single inputs)."""
        return (self.train or self.test)[0].is_pair

    def has_bos(self, choice: str, prepend_bos: bool | None, tokenizer: Any) -> bool:
        """As ``decide_bos``, except that with ``auto`` texts that begin with a typed BOS are meant to have one."""
        typed = any(types_bos(example, tokenizer) for example in (*self.train, *self.test))
        return decide_bos("yes" if choice == "auto" and typed else choice, prepend_bos, tokenizer)

    @property
    def contrasts(self) -> bool:
        """Whether an example's answer is set against another one, as in pairs."""
        return self.pairs or (self.train or self.test)[0].contrasts

    @property
    def is_prompt(self) -> bool:
        """Whether it is one prompt, in both splits."""
        return self.source is not None and self.source.kind == PROMPT

    def as_source(self) -> TaskSource:
        """What a recipe says about the task: where it can be read again, or else its examples themselves."""
        found = hash_json([[_content(example) for example in part] for part in (self.train, self.test)])
        if self.source is not None:
            return replace(self.source, hash=found)
        return TaskSource(
            self.name,
            OBJECTS,
            train=tuple(map(as_line, self.train)),
            test=tuple(map(as_line, self.test)),
            is_template=self.is_template,
            hash=found,
        )

    def encode(
        self, split: str, tokenizer: Any, *, bos: bool, limit: int | None = None, longest: int | None = None
    ) -> tuple[list[Encoded], Skipped]:
        """The first ``limit`` usable examples of a split as token ids, and what was skipped on the way.

        Args:
            longest: texts of more tokens lose their beginning (``longest_kept``).

        Raises:
            NothingFound: no example is usable; says why each was skipped.
        """
        if split not in ("train", "test"):
            raise BadInput(f"no such split: {split!r}", expected="train or test")
        encoded, skipped = encode_examples(
            getattr(self, split), tokenizer, bos=bos, limit=limit, longest=longest
        )
        if not encoded:
            reasons = ", ".join(f"{reason} ({count})" for reason, count in skipped.items()) or "it is empty"
            raise NothingFound(
                f"the {split} split of {self.name} has no usable example: {reasons}",
                expected=USABLE,
                mend=mend_of(skipped),
            )
        return encoded, skipped


def mend_of(skipped: Skipped) -> str:
    """What to do about a task without a usable example."""
    pairs = {
        SAME_TEXT: "let the patch text differ from the clean one: what is the same in both has no effect",
        OTHER_LENGTH: "choose words of equally many tokens for both texts",
    }
    if skipped and set(skipped) <= set(pairs):
        return "; ".join(pairs[reason] for reason in skipped)
    return "answers usually begin with a space; check the words against this model's tokenizer"


def load_task(source: str | Path | Task | Examples, model: LanguageModel) -> Task:
    """Load a task for a model.

    Args:
        source: ``agreement/simple`` (or ``across_pp``, ``within_rc``, ``across_rc``); a JSON-lines file
            (``NAME_train.json`` brings ``NAME_test.json`` beside it as its test split; of any other file a
            quarter is held out); a folder with ``train.jsonl`` and ``test.jsonl``; or examples in Python.
        model: templates use the words that are single tokens of its tokenizer.

    Raises:
        BadInput: there is no such task, or pairs and single inputs are mixed.
        BadFile: a file cannot be read, or a line is not an example.
        NothingFound: there are no examples.
    """
    if isinstance(source, Task):
        return source
    refuse_no_tokenizer(model.name, model.tokenizer)
    if not isinstance(source, str | Path):
        return _checked(
            _divided("examples from Python", [_example(*item) for item in enumerate(source, start=1)])
        )
    read = read_task(str(source))
    if read is not None:
        return read
    name = str(source)
    train, test = agreement_examples(name.partition("/")[2], model.tokenizer)
    template = TaskSource(name, TEMPLATE, name, is_template=True)
    return _checked(Task(name, tuple(train), tuple(test), is_template=True, source=template))


def refuse_no_tokenizer(model: str, tokenizer: Any) -> None:
    """Raise BadInput for a model that cannot read text; ``model`` is its name."""
    if tokenizer is None:
        raise BadInput(
            f"{model} has no tokenizer",
            expected="one beside the model",
            mend="load_model(…, tokenizer=…)",
        )


def read_task(source: str) -> Task | None:
    """The task of files, read before there is a model for it; None for a template, whose words depend on the model.

    Raises:
        BadInput: there is no such task, or pairs and single inputs are mixed.
        BadFile: a file cannot be read, or a line is not an example.
        NothingFound: there are no examples.
    """
    family, _, structure = source.partition("/")
    if family == "agreement" and not Path(source).exists():
        refuse_unknown_structure(structure)
        return None
    path = Path(source).expanduser()
    task = _checked(_from_files(path))
    return replace(task, source=TaskSource(task.name, FILES, str(path.resolve())))


def _no_task(path: Path) -> BadInput:
    return BadInput(
        f"no such task: {str(path)!r}",
        expected=f"a JSON-lines file, a folder with train.jsonl and test.jsonl, "
        f"or one of {', '.join(f'agreement/{name}' for name in STRUCTURES)}",
        mend="check the path",
    )


def _example(number: int, item: Example | Mapping[str, Any]) -> Example:
    return item if isinstance(item, Example) else parse_example(item, f"example {number} from Python")


def _content(example: Example) -> dict[str, Any]:
    """What makes an example what it is, wherever it was read."""
    return {name: value for name, value in vars(example).items() if name != "where"}


def _from_files(path: Path) -> Task:
    if path.is_dir():
        train, test = (_read_split(path, split) for split in ("train", "test"))
        return Task(path.name, train, test)
    if not path.is_file():
        raise _no_task(path)
    if path.stem.endswith("_train"):
        name = path.stem.removesuffix("_train")
        other = path.with_name(f"{name}_test{path.suffix}")
        if other.is_file():
            return Task(name, tuple(read_examples(path)), tuple(read_examples(other)))
    return _divided(path.stem, read_examples(path))


def _read_split(folder: Path, split: str) -> tuple[Example, ...]:
    for name in (f"{split}.jsonl", f"{split}.json"):
        if (folder / name).is_file():
            return tuple(read_examples(folder / name))
    raise BadInput(
        f"the task folder {folder} has no {split}.jsonl", expected="train.jsonl and test.jsonl", mend="add it"
    )


def _divided(name: str, examples: Sequence[Example]) -> Task:
    """Hold out a quarter, always the same one."""
    shuffled = random.Random(0).sample(list(examples), len(examples))
    held_out = round(HELD_OUT_SHARE * len(shuffled))
    return Task(name, tuple(shuffled[held_out:]), tuple(shuffled[:held_out]))


def _checked(task: Task) -> Task:
    everything = (*task.train, *task.test)
    if not everything:
        raise NothingFound(
            f"the task {task.name} is empty", expected="at least one example", mend="check the file"
        )
    kinds = Counter(example.kind for example in everything)
    if len(kinds) > 1:
        raise BadInput(
            f"the task {task.name} mixes {dict(kinds)}", expected="one kind", mend="split it in two"
        )
    return task
