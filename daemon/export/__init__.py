"""Out of the log again: any object, subtree or the whole site, at any moment, as packages that stock DSpace takes."""
