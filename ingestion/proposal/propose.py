"""From the facts of files to a workspace: what each is, its key and people, how they hang together. Pure."""

from collections.abc import Sequence

from ingestion.proposal.codes import with_codes
from ingestion.proposal.facts import FileFacts
from ingestion.proposal.joins import references
from ingestion.proposal.keys import key_of
from ingestion.proposal.meanings import meanings_of
from ingestion.proposal.model import WorkspaceProposal
from ingestion.proposal.proposed import proposed
from ingestion.proposal.sorts import sort_of
from ingestion.proposal.types import new_labels, new_types
from ingestion.proposal.understood import Known, Understood


def propose(files: Sequence[FileFacts], known: Known) -> WorkspaceProposal:
    """Return what is proposed for files that belong together."""
    keys = {file.name: key_of(file) for file in files}
    met = references(files, keys)
    understood = []
    for file in files:
        out = tuple(reference for reference in met if reference.file == file.name)
        inwards = tuple(reference for reference in met if reference.to == file.name)
        meant, key = meanings_of(file), keys[file.name]
        understood.append(Understood(file, key, meant, sort_of(file, meant, key, out, inwards), out, inwards))
    coded, doubts = with_codes(understood, known)
    sources = tuple(proposed(one, known) for one in coded)
    region = next((source.region for source in sources if source.region), None)
    return WorkspaceProposal(sources, new_types(sources, known.types), tuple(new_labels(sources)), region, doubts)
