"""The demo's world: real shopping baskets, invented people, and the scattered traces that a retailer would hold of them,
with the truth written beside. Everything follows from one seed, so that what is shown can be shown again."""
