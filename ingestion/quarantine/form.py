"""How the rejected rows of a source are read again: its format, and the headers that lines of CSV need."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from infra.workspace import Workspace
from ingestion.config import Source
from ingestion.connectors.declared import Files
from ingestion.connectors.objects import there
from ingestion.model import SourceFile
from ingestion.quarantine.again import Form, is_line
from ingestion.quarantine.opened import Rejection
from ingestion.quarantine.payload import parsed
from ingestion.read import FAULTS


def form_of(
    workspace: Workspace, source: Source, rejections: Iterable[Rejection]
) -> tuple[Form, tuple[SourceFile, ...]]:
    """Return the form of a source's rows, and the files whose headers it takes.

    Only a line of CSV that could not be taken apart needs one: of the file of its name, as it lies there now.
    """
    where = source.connector
    if not isinstance(where, Files) or where.format != "csv":
        return Form(where.format), ()
    form = Form("csv", where.delimiter or ",")
    names = {one.file for one in rejections if one.rule in FAULTS and is_line(one.rule, parsed(one.payload))}
    files = tuple(file for file in there(workspace, source, where) if _name(file) in names) if names else ()
    headers: dict[str, tuple[tuple[str, ...], ...]] = {}
    for file in files:
        headers[_name(file)] = tuple(dict.fromkeys([*headers.get(_name(file), ()), file.columns]))
    return Form(form.format, form.delimiter, headers), files


def _name(file: SourceFile) -> str:
    return PurePosixPath(file.path).name
