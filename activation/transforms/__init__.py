"""The Spark plans of activation: functions of frames that return frames, without actions."""
