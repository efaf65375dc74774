"""The sealed ledger: leaves, tree, signed heads, receipts, subjects' keys, and the check that needs nothing of ours."""
