"""How things look: text for terminals, HTML for notebooks and reports, and plots. Nothing here reads or writes data."""
