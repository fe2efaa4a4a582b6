"""Commands that hold what was counted against what the gateway says."""
