"""The change feed: what became of whom, as each purpose may know it, in an order that whoever listens can resume."""
