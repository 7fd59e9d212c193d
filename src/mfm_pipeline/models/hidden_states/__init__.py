"""Models with hidden states: conditional random fields and hidden Markov models."""
