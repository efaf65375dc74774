"""What we do with what we know: audiences, their way to destinations, recommendations and next best actions.

Everything here runs under consent: an audience holds only people who allow its purpose, a destination gets
only identifiers that allow its purpose, and a decision about a person who does not allow it is "no action".
"""
