"""How wrong fast node and edge effects are, and what they cost: quadrature error and method error, kept apart."""
