"""`course.py grade`: which exercises are right in the notebooks that students have handed in.

Read in this order: `command` says what happens; `collect` finds the files and whose they are;
`processes` judges each exercise in a process of its own; `worker` is what runs there, shut in by
`guard`; `answers` finds an answer in a notebook, and `alike` says which are the same. `table` makes
rows of the verdicts, `marks` points, gradebooks and the class; `feedback` writes the pages.
"""
