"""The stateful resolver: one record or event answered within milliseconds, as the batch would."""
