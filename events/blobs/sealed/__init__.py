"""Contents encrypted before they leave this machine: the format, the keys, and the store that applies them.

Invariant: whoever may only write needs no secret: a content is encrypted to public keys, and read with a private one.
"""
