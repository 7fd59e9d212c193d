"""Generation from the factorized latents, and numbers for what is generated."""
