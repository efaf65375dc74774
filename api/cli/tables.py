"""Every Delta table of the house, in the order of the floors; knows no engine."""

import activation.tables
import consent.tables
import identity.tables
import ingestion.tables
import profiles.tables
from infra.tables import Table

TABLES: tuple[Table, ...] = (
    *consent.tables.TABLES,
    *ingestion.tables.TABLES,
    *identity.tables.TABLES,
    *profiles.tables.TABLES,
    *activation.tables.TABLES,
)
