"""`course.py grade`: which exercises are right in the notebooks that students have handed in.

Read in this order: `command` collects what was handed in and writes the result; `processes` judges
each exercise in a process of its own; `worker` is what runs there, shut in by `guard`; `answers`
finds an answer in a notebook; `table` makes marks of the verdicts.
"""
