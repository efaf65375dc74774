"""Splink as its tutorial has it, to be measured against; with `linkage` and `training` the only files that know it."""

import duckdb
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink import comparison_library as cl

from identity.matching.linkage import quiet

_RECALL = 0.7
_SAMPLE = 1_000_000
_FEWEST = 100


def plain_pairs(connection: duckdb.DuckDBPyConnection, into: str, probability: float) -> None:
    """Fill the table `into` (left_key, right_key) with the pairs that Splink finds when used as its tutorial has it.

    Ready-made comparisons, block on one field each, and a threshold: what this platform's evidence is measured
    against. Fewer records than it can learn from give no pairs. One email and one phone a record, for lists are no
    part of the ready-made.
    """
    connection.execute(
        "CREATE OR REPLACE TABLE plain AS SELECT record_key, given_name, family_name, birth_date, postcode, "
        "emails[1] AS email, phones[1] AS phone FROM features WHERE NOT bare ORDER BY record_key"
    )
    connection.execute(f"CREATE OR REPLACE TABLE {into} (left_key VARCHAR, right_key VARCHAR)")
    few = connection.execute("SELECT count(*) < ? FROM plain", [_FEWEST]).fetchone()
    if few and few[0]:
        return
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record_key",
        comparisons=[
            cl.NameComparison("given_name"),
            cl.NameComparison("family_name"),
            cl.DateOfBirthComparison("birth_date", input_is_string=True),
            cl.ExactMatch("postcode").configure(term_frequency_adjustments=True),
            cl.EmailComparison("email"),
            cl.ExactMatch("phone").configure(term_frequency_adjustments=True),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("email"), block_on("phone"), block_on("family_name", "birth_date"),
            block_on("given_name", "family_name"), block_on("postcode", "given_name"),
        ],
        linker_uid="plain",
    )  # fmt: skip
    with quiet():
        frame = DuckDBAPI(connection=connection.cursor()).register("plain", dataset_display_name="plain")
        linker = Linker(frame, settings, log_level=None, validate_settings=False)
        rules = [block_on("given_name", "family_name", "birth_date"), block_on("email", "given_name")]
        linker.training.estimate_probability_two_random_records_match(rules, recall=_RECALL)
        linker.training.estimate_u_using_random_sampling(max_pairs=_SAMPLE, seed=1)
        for rule in (block_on("birth_date"), block_on("email"), block_on("given_name", "family_name")):
            linker.training.estimate_parameters_using_expectation_maximisation(rule)
        found = linker.inference.predict(threshold_match_probability=probability)
    connection.execute(
        f"CREATE OR REPLACE TABLE {into} AS SELECT record_key_l AS left_key, record_key_r AS right_key "
        f"FROM {found.physical_name}"
    )
