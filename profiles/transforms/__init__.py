"""The Spark plans of profiles: functions of frames that return frames, without actions, sessions or settings."""
