"""Recurrences that `torch.nn.LSTM` does not offer, with backward passes of their own."""
