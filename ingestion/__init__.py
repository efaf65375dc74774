"""What happened? Source systems come in here and leave as records, events, consents and a catalogue.

Every row is read, checked against its contract, freed of placeholder identifiers, told apart from what is known
already, and accounted for.
"""
