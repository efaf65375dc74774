"""People who know better: their words, what they are asked, and rehearsals of other rules."""
