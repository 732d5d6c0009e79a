"""Write the two example tasks: he/she after a name, and was/we(re) after a noun, for small story models.

Every pair crosses two words of three tokens in the stories260K tokenizer, so clean and patch line up
token by token and positions can be kept. Train and test share no word.

    python examples/make_tasks.py
"""

from __future__ import annotations

import json
import random
from itertools import product
from pathlib import Path

HERE = Path(__file__).parent / "tasks"

NAMES = {
    "train": (
        "Max Bob Jim Mike Tommy Jay Ned Tony Luke Mark Sean Hank Ron",
        "Sue Mia Sara Lisa Maya Lena Liz Tara Lana Mila Mona",
    ),
    "test": ("Leo Dan Ken Bill Ray Bert", "Sally Amy Mimi Lara Lia Mina"),
}
NOUNS = {
    "train": (
        "boy bird duck bug horse fox owl deer cake pie cup boat plane rock seed egg lamp",
        "cats dogs toys cows pigs lions stars bats hens beds dolls shells kites",
    ),
    "test": ("girl fish mouse goat tiger book box witch", "kids cars bears ants balls kings bells"),
}
TASKS = {
    "he_she": ("One day, {} was sad because", NAMES, (" he", " she")),
    "was_were": ("One day, the {}", NOUNS, (" was", " we")),  # " were" is two tokens: " we" and "re"
}


def rows(template: str, words: tuple[str, str], answers: tuple[str, str]) -> list[dict[str, str]]:
    """Both directions of every pair of words."""
    found = []
    for pair in product(*(side.split() for side in words)):
        for clean in (0, 1):
            found.append(
                {
                    "clean_prefix": template.format(pair[clean]),
                    "patch_prefix": template.format(pair[1 - clean]),
                    "clean_answer": answers[clean],
                    "patch_answer": answers[1 - clean],
                }
            )
    return found


for task, (template, splits, answers) in TASKS.items():
    (HERE / task).mkdir(parents=True, exist_ok=True)
    for split, words in splits.items():
        # Discovery takes the first examples of a file: in mixed order they cover all words.
        mixed = rows(template, words, answers)
        random.Random(0).shuffle(mixed)
        lines = [json.dumps(row) for row in mixed]
        (HERE / task / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
