"""OpenDSR 2.0 (formerly OpenGDPR): this workspace as a processor, and as one whom processors call back."""
