"""What `course.py` runs once the environment is there. No learner needs to look in here."""
