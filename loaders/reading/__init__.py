"""Record files as training code reads them: which, which chunks of them, and which windows there are."""
