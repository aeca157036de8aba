"""A log that stays small: old events thinned to one an hour, a day, a month; contents that nothing needs collected.

Invariant: a moment that is kept stays exactly as it was, whatever is thinned: of each object the event that stands at
that moment is kept whole, and so is every content that it needs.
"""
