"""Spark expressions that more than one package's plans speak; each has its Python twin in `infra.ids`."""

from pyspark.sql import Column
from pyspark.sql import functions as f


def birth_id(salt: str, source: Column, key: Column) -> Column:
    """Return the expression of `infra.ids.birth_id`."""
    return f.substring(f.sha2(f.concat_ws("|", f.lit(salt), source, key), 256), 1, 32)


def content_hash(*columns: Column) -> Column:
    """Return the SHA-256 of the columns' JSON: equal content, equal hash; nulls keep their place."""
    fields = [column.alias(f"c{index}") for index, column in enumerate(columns)]
    return f.sha2(f.to_json(f.struct(*fields), {"ignoreNullFields": "false"}), 256)
