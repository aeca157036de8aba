"""What the log tells of the past, in words: what changed between two states of an object, or between two moments."""
