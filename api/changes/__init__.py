"""The senders of the change feed: a process beside the server that takes changes to webhooks and topics."""
