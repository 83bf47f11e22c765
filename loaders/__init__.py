"""How training code reads: plain NumPy, and PyTorch, PyTorch Geometric, Hugging Face, MNE-Python, braindecode."""
