"""Convolutions over the steps of sequences, and the networks of the comparison built on them."""
