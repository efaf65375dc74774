"""The event log: what a collector received, made durable before it is acknowledged, kept until the lake has it."""
