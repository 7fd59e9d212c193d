"""Search of every model's setting by equal budgets, in processes here or on a cluster."""
