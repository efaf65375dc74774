"""May we? The consent ledger, the policy, the one decision, and the linter that keeps people out of the lake's logs."""
