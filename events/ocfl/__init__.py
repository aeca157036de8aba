"""OCFL 1.1, the Oxford Common File Layout: objects in versions, for the long term, to be read without us.

What is needed of https://ocfl.io/1.1/spec/ and no more: inventories and where objects lie (pure), objects written and
read. What an object holds is decided elsewhere: here it is files with names.
"""
