"""From the name of a source to the files that it has: a file, a folder, a data set on the hub."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from circuitscope.errors import BadFile, BadInput
from circuitscope.runs import looks_like_path
from circuitscope.tasks.labelled.records import SUFFIXES as TABLES
from circuitscope.tasks.texts.files import TEXTS


@dataclass(frozen=True)
class TextFile:
    """A file of a source; one on the hub is fetched when it is read, so that no more is fetched than is needed."""

    name: str
    """Its path, or its path in the data set."""
    size: int
    """Bytes."""
    path: Path | None = None
    """None for a file on the hub."""
    repository: str = ""
    """The data set that it belongs to, if it is on the hub."""

    def fetched(self) -> Path:
        """Where it is on this disk.

        Raises:
            BadFile: it cannot be fetched.
        """
        if self.path is not None:
            return self.path
        from huggingface_hub import hf_hub_download

        try:
            return Path(hf_hub_download(self.repository, self.name, repo_type="dataset"))
        except Exception as error:  # whatever it is, the file is not there
            raise BadFile(
                f"{self.name} of the data set {self.repository} cannot be fetched: {_first_line(error)}",
                expected="a network connection",
                mend="run the same command again: it continues from where it stopped",
            ) from error


def files_of(source: str | Path) -> list[TextFile]:
    """The files of a source, in order.

    Raises:
        BadInput: it is a path, and there is nothing.
        BadFile: it has no file of text, or the hub has no such data set.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return [_local(path)]
    if path.is_dir():
        return [_local(found) for found in _in_folder(path)]
    if isinstance(source, Path) or looks_like_path(source):
        raise BadInput(
            f"there is no text at {str(source)!r}",
            expected="bundled, a file, a folder, or the id of a data set on the hub",
            mend="check the path",
        )
    return _on_hub(source)


def _local(path: Path) -> TextFile:
    return TextFile(str(path), path.stat().st_size, path)


def _in_folder(folder: Path) -> list[Path]:
    """Every file of text that is not hidden; parts of a split in their order."""
    there = [path for path in folder.rglob("*") if path.is_file() and path.suffix in (*TEXTS, *TABLES)]
    seen = [
        path for path in there if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not seen:
        raise BadFile(
            f"the folder {folder} has no file of text",
            expected=f"files that end with {', '.join((*TEXTS, *TABLES))}",
            mend="name the files themselves, or convert them",
        )
    return sorted(seen)


def _on_hub(repository: str) -> list[TextFile]:
    from huggingface_hub import HfApi, snapshot_download

    try:
        tree = list(HfApi().list_repo_tree(repository, repo_type="dataset", recursive=True))
        sizes = {item.path: int(item.size) for item in tree if hasattr(item, "size")}
    except Exception as error:  # no network, no such data set: what was downloaded earlier is as good
        try:
            return _chosen_here(
                Path(snapshot_download(repository, repo_type="dataset", local_files_only=True))
            )
        except Exception:
            raise BadFile(
                f"there is no text at {repository!r}, and the hub returned no such data set: {_first_line(error)}",
                expected="a file or folder on this disk, or the id of a data set on the hub and a network connection",
                mend="check the spelling",
            ) from error
    return [TextFile(name, sizes[name], None, repository) for name in chosen(sizes, repository)]


def _chosen_here(folder: Path) -> list[TextFile]:
    names = [path.relative_to(folder).as_posix() for path in _in_folder(folder)]
    return [_local(folder / name) for name in chosen(names, str(folder))]


def chosen(names: Iterable[str], where: str) -> Sequence[str]:
    """The files of a data set that are read: of its train split if it has splits, and in one format.

    Data sets on the hub often hold the same rows twice, as parquet and as something else.
    """
    readable = sorted(name for name in names if PurePosixPath(name).suffix in (*TABLES, *TEXTS))
    train = [name for name in readable if _is_train(PurePosixPath(name))]
    for suffix in (*TABLES, *TEXTS):
        found = [name for name in train or readable if name.endswith(suffix)]
        if found:
            return found
    raise BadFile(
        f"the data set {where} has no file of text",
        expected=f"files that end with {', '.join((*TABLES, *TEXTS))}",
        mend="choose another data set, or download it and convert it",
    )


def _is_train(name: PurePosixPath) -> bool:
    return "train" in name.name.lower() or any(part == "train" for part in name.parts[:-1])


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
