"""Settings of SHIFT, one frozen dataclass per step.

What a run is about (model, dictionaries, data) is given once, at its first step; later steps read it from the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from circuitscope.bundled import BUNDLED
from circuitscope.config.base import ComputeConfig, Config, WorkersConfig, option, positive
from circuitscope.config.discover import BOS, DICTIONARIES, MODEL, refuse_bundled_dictionaries
from circuitscope.config.effects import EffectsConfig
from circuitscope.errors import BadInput, argument
from circuitscope.terms import Site


@dataclass(frozen=True)
class LabelledData(Config):
    """Which labelled texts, and which of their classes and attributes."""

    data: str = option(
        BUNDLED,
        "The labelled texts: bundled, a data set on the hub such as LabHC/bias_in_bios, or your own parquet, "
        "JSON-lines or CSV file or folder.",
    )
    classes: str = option(
        "", "The two classes to tell apart, such as professor,nurse; by default the usual two."
    )
    attributes: str = option(
        "", "The two values of the attribute, such as male,female; by default the usual two."
    )
    text_field: str = option("", "The field with the text, if it is not found by name.")
    label_field: str = option("", "The field with the class, if it is not found by name.")
    attribute_field: str = option("", "The field with the attribute, if it is not found by name.")
    limit: int | None = option(None, "Use at most this many texts in each set.")
    data_seed: int = option(42, "Seed for the order of the texts and for which of them are drawn.")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("classes", "attributes"):
            value = getattr(self, name)
            if value and len([word for word in value.split(",") if word.strip()]) != 2:
                raise BadInput(
                    argument(name, value),
                    expected="two names with a comma between them: a probe has one logit, so it tells two apart",
                    mend=argument(name, "professor,nurse" if name == "classes" else "male,female"),
                )

    @property
    def loading(self) -> dict[str, Any]:
        """The arguments of ``load_labelled_sets`` besides the source; what is not given is left out."""
        named: dict[str, Any] = {
            "classes": tuple(word.strip() for word in self.classes.split(",")) if self.classes else None,
            "attributes": tuple(word.strip() for word in self.attributes.split(","))
            if self.attributes
            else None,
            "text_field": self.text_field or None,
            "label_field": self.label_field or None,
            "attribute_field": self.attribute_field or None,
            "limit": self.limit,
        }
        return {**{name: value for name, value in named.items() if value is not None}, "seed": self.data_seed}


def _refuse_other_sites(site: str) -> None:
    """Probes read the residual stream."""
    if site and Site.parse(site).kind != "resid":
        raise BadInput(f"{argument('site', site)}", expected="a residual site, such as resid_4")


@dataclass(frozen=True)
class ShiftTrainConfig(LabelledData, ComputeConfig):
    """Settings of a run and of its classifier."""

    model: str = option(BUNDLED, MODEL)
    dictionaries: str = option(BUNDLED, DICTIONARIES)
    site: str = option(
        "",
        "The residual site whose activations are pooled, such as resid_4; by default that of the second-to-last "
        "layer.",
    )
    pooling: str = option(
        "mean",
        "Take the mean over all tokens except padding and BOS, or the last token.",
        choices=("mean", "last"),
    )
    fit: str = option(
        "adamw", "Train the probe with AdamW or by logistic regression.", choices=("adamw", "logistic")
    )
    learning_rate: float = option(0.01, "Learning rate of AdamW.")
    epochs: int = option(1, "How many times AdamW goes through the texts.")
    batch: int = option(128, "Texts per step of AdamW.")
    validate: bool = option(
        False,
        "Choose the site and the batch size by the loss on a quarter of the ambiguous training texts, held out for "
        "that; leave out --site and --batch.",
    )
    seed: int = option(42, "Seed for the probe's initial weights and the order of its texts.")
    bos: str = option("auto", BOS, choices=("auto", "yes", "no"))

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(epochs=self.epochs, batch=self.batch)
        if self.validate and (self.site or self.batch != 128):
            raise BadInput(
                f"{argument('validate', True)} with a site or a batch size",
                expected="one or the other: what is chosen is not given",
                mend=f"leave out {argument('site')} and {argument('batch')}, or {argument('validate', True)}",
            )
        if not 0 < self.learning_rate < float("inf"):
            raise BadInput(f"{argument('learning_rate', self.learning_rate)}", expected="a number above 0")
        _refuse_other_sites(self.site)
        refuse_bundled_dictionaries(self.model, self.dictionaries)


@dataclass(frozen=True)
class DeviceConfig(Config):
    """Where the later steps of a run are computed."""

    device: str = option("auto", "Where to run: auto, cpu, cuda, cuda:1, mps.")


@dataclass(frozen=True)
class ShiftEffectsConfig(EffectsConfig, DeviceConfig):
    """Settings of the circuit of a run's classifier."""


JUDGES = ("person", "words", "endpoint")


@dataclass(frozen=True)
class ShiftJudgeConfig(DeviceConfig):
    """Settings of a sheet."""

    contexts: int = option(
        6, "How many contexts to show for each feature, from general text and again from the training texts."
    )
    text: str = option(
        "",
        "A file of general text to look for contexts in before the classifier's training texts; by default the "
        "text that comes with a bundled model, otherwise none.",
    )
    texts: int = option(2000, "Use at most this many of the training texts, for contexts and word lists.")
    judge: str = option(
        "person",
        "Who fills in the verdicts: a person, or a baseline (word lists, or a language model at an endpoint).",
        choices=JUDGES,
    )
    remove_words: str = option(
        "",
        "For --judge words: words that the classifier should not use, as a file or a comma-separated list.",
    )
    keep_words: str = option("", "For --judge words: words of the task, as a file or a comma-separated list.")
    measure: str = option(
        "correlation",
        "For --judge words: what decides, the correlation over tokens of a feature's activation with the listed "
        "words, or the share of its activation that falls on them.",
        choices=("correlation", "share"),
    )
    level: float | None = option(
        None,
        "For --judge words: the lowest score that decides; by default 0.3 for a correlation, 0.5 for a share.",
    )
    reach: int = option(0, "For --judge words: how many tokens after a listed word also count as listed.")
    endpoint: str = option(
        "", "For --judge endpoint: an OpenAI-compatible address such as http://localhost:8000/v1."
    )
    model_name: str = option("", "For --judge endpoint: the model's name there.")
    key_variable: str = option(
        "", "For --judge endpoint: the environment variable with its key, if it needs one."
    )
    about: str = option("", "For --judge endpoint: what the classifier is meant to do, in a sentence.")
    who: str = option("", "With --interactive: whose verdicts these are; by default the user's name.")

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(contexts=self.contexts, texts=self.texts)
        needed = {"words": ("remove_words",), "endpoint": ("endpoint", "model_name")}.get(self.judge, ())
        for name in needed:
            if not getattr(self, name):
                raise BadInput(
                    f"{argument('judge', self.judge)} without {argument(name)}",
                    expected=" and ".join(map(argument, needed)),
                    mend=f"add it, or leave out {argument('judge')} and judge yourself",
                )


@dataclass(frozen=True)
class ShiftApplyConfig(DeviceConfig):
    """Settings of applying a sheet of verdicts."""

    who: str = option("", "Whose verdicts these are, if the sheet names nobody; by default the user's name.")
    how: str = option(
        "zero", "Set removed features to zero, or to their mean over the texts.", choices=("zero", "mean")
    )


@dataclass(frozen=True)
class ShiftRetrainConfig(DeviceConfig):
    """Settings of training the probe again."""


@dataclass(frozen=True)
class ShiftEvaluateConfig(DeviceConfig):
    """Settings of the scores."""

    seed: int = option(0, "Seed for the bootstrap.")


@dataclass(frozen=True)
class ShiftCompareConfig(DeviceConfig, WorkersConfig):
    """Settings of the comparison with baselines and skylines."""

    seeds: int = option(
        1, "How many seeds, starting from the run's own; with several, intervals are over seeds."
    )
    draws: int = option(5, "How many times to draw random features.")
    verdicts: str = option(
        "",
        "A sheet with verdicts on features that the run's own sheet does not have, such as those of other seeds.",
    )
    cue_words: str = option(
        "",
        "The words that give the attribute away, as a file or a comma-separated list; by default English gender "
        "words.",
    )
    task_words: str = option(
        "",
        "The words of the task, as a file or a comma-separated list: the bottleneck's concepts, and what the "
        "automatic judge keeps; by default words for professors and nurses.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(seeds=self.seeds, draws=self.draws)


@dataclass(frozen=True)
class ShiftDemoConfig(DeviceConfig):
    """Settings of the demonstration of SHIFT."""

    out: str = option("runs/shift-demo", "The run folder to write.")
    seeds: int = option(1, "How many seeds to compare; with several, intervals are over seeds.")
    limit: int | None = option(
        None, "Use at most this many texts in each set; fewer are quicker, but noisier."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(seeds=self.seeds)


@dataclass(frozen=True)
class ShiftDictionariesConfig(LabelledData, ComputeConfig):
    """Settings of SCR and TPP."""

    model: str = option(BUNDLED, MODEL)
    dictionaries: str = option(BUNDLED, DICTIONARIES)
    site: str = option("", "One residual site, such as resid_4; by default every one that has a dictionary.")
    seed: int = option(42, "Seed for the probes.")
    bos: str = option("auto", BOS, choices=("auto", "yes", "no"))
    json: str = option("", "A file to write the scores to.")

    def __post_init__(self) -> None:
        super().__post_init__()
        _refuse_other_sites(self.site)
        refuse_bundled_dictionaries(self.model, self.dictionaries)
