"""`course.py site`: the course as web pages, and as a PDF, from the notebooks as they are stored.

`command` is the command, `environment` gets Sphinx, `pages` lays out what Sphinx reads,
`sphinx/` is Sphinx's configuration, `front.md` the front page, and `pdf` prints.
"""
