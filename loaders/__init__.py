"""How training code reads: windows, graphs and rows, for PyTorch, PyTorch Geometric and Hugging Face."""
