"""contexts.parquet: one row per context, written and read a part at a time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from circuitscope.behaviours.contexts.contexts import Columns, Contexts, starts_of
from circuitscope.errors import BadFile
from circuitscope.runs import (
    CONTEXTS,
    kind_of,
    new_folder,
    read_manifest,
    refuse_existing,
    write_manifest,
)

CONTEXTS_FILE = CONTEXTS.file
_HAS_BOS = b"has_bos"
_COLUMNS = ("context_id", "document", "position", "answer", "loss")


def write_contexts(path: Path, parts: Iterable[Columns], *, has_bos: bool, most: int = 0) -> int:
    """Write columns of contexts as one file, numbered from 0 or by ``context_ids``; returns how many were written.

    Args:
        parts: taken one at a time.
        most: leave out what comes after this many; 0 writes all.
    """
    import pyarrow.parquet

    written = 0
    schema = _schema(has_bos)
    with pyarrow.parquet.ParquetWriter(path, schema) as file:
        for part in parts:
            count = len(part["lengths"]) if not most else min(most - written, len(part["lengths"]))
            if count:
                file.write_table(_table(part, count, written, schema))
            written += count
    return written


def write_contexts_folder(folder: Path, contexts: Contexts, *, overwrite: bool) -> None:
    """Contexts that were found in Python, in a folder of the same form as a run's."""
    names = ("context_ids", "documents", "positions", "answers", "losses", "ids", "lengths")
    columns = {name: getattr(contexts, name) for name in names}
    refuse_existing(folder, overwrite=overwrite, kind=CONTEXTS.kind)
    with new_folder(folder, overwrite=overwrite) as draft:
        write_contexts(draft / CONTEXTS_FILE, [columns], has_bos=contexts.has_bos)
        write_manifest(draft, CONTEXTS.kind, {"contexts": len(contexts), "has_bos": contexts.has_bos})


def _schema(has_bos: bool) -> Any:
    import pyarrow as pa

    fields = [("context_id", pa.int64()), ("document", pa.int64()), ("position", pa.int32()),
              ("tokens", pa.list_(pa.int32())), ("answer", pa.int32()), ("loss", pa.float32())]  # fmt: skip
    return pa.schema(fields, metadata={_HAS_BOS: str(has_bos).encode()})


def _table(part: Columns, count: int, first: int, schema: Any) -> Any:
    """The first ``count`` contexts of a part; the first of them has the number ``first``."""
    import pyarrow as pa

    starts = starts_of(part["lengths"][:count])
    tokens = pa.ListArray.from_arrays(starts.astype(np.int32), part["ids"][: starts[-1]])
    columns = [part[name][:count] for name in ("documents", "positions", "answers", "losses")]
    numbers = part.get("context_ids", np.arange(first, first + count))[:count]
    arrays = [numbers, columns[0], columns[1], tokens, columns[2], columns[3]]
    return pa.table(arrays, schema=schema)


def read_contexts_file(folder: Path) -> Contexts:
    """The contexts of a run or of its folder ``contexts``, after a check that the file is as it was written."""
    place = folder if kind_of(folder) == CONTEXTS.kind else CONTEXTS.in_(folder)
    read_manifest(place, CONTEXTS.kind)
    path = place / CONTEXTS_FILE
    import pyarrow as pa
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path).combine_chunks()
        has_bos = table.schema.metadata[_HAS_BOS] == b"True"
        lists = _whole(table["tokens"], pa.list_(pa.int32()))
        numbers, documents, positions, answers, losses = (table[name].to_numpy() for name in _COLUMNS)
        starts, ids = lists.offsets.to_numpy().astype(np.int64), lists.values.to_numpy()
        return Contexts(numbers, documents, positions, answers, losses, ids, starts, has_bos)
    except (pa.ArrowException, KeyError, TypeError, OSError) as error:
        raise BadFile(
            f"{path} cannot be read: {error}",
            expected=f"the columns {', '.join((*_COLUMNS, 'tokens'))}",
            mend="make it again: circuitscope behaviours contexts",
        ) from error


def _whole(column: Any, kind: Any) -> Any:
    """A column as one array."""
    import pyarrow as pa

    chunks = column.chunks
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks) if chunks else pa.array([], type=kind)
