"""The demo's world: real shopping baskets, invented people, their scattered traces, and the truth beside them.

Everything follows from one seed, so that what is shown can be shown again.
"""
