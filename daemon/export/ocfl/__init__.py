"""The log as an archive for the long term: every object with all of its states, as an OCFL storage root.

`known` finds out which objects there are, `states` what the files of a state are, `run` writes what is not there yet,
`index` lists what is.
"""
