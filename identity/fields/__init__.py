"""Every field in its one spelling: names, dates, addresses; and the record as matching sees it."""
