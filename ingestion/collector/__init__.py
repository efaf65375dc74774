"""What a collector holds on to: bytes of a request in, entries of the event log and verdicts out; no clock, no I/O."""
