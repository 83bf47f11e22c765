"""Many animals side by side: their activity on one axis of neurons, with the connectome; the layout of 2024."""
