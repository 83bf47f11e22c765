"""Side by side with what a user would pick instead: figures as ratios within one run."""
