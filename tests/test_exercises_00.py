"""The check of notebook 00's exercise."""

from exercise_cases import exercise_tests

from dqngan_lib.exercises.notebook_00 import EXERCISES

WRONG = {
    "00.1": {
        "one number": lambda images: images.mean(),
        "still there": lambda images: images.mean(0, keepdim=True),
        "over the planes": lambda images: images.mean(1),
        "one mean a picture": lambda images: images.flatten(1).mean(1),
        "that is the sum": lambda images: images.sum(0),
        "that is the median": lambda images: images.median(0).values,
        "the numbers are not": lambda images: images[0],
        "returned None": lambda images: print(end=""),
    }
}
RIGHT = {
    "00.1": (lambda images: images.sum(0) / len(images), lambda images: sum(images) / len(images))
}

TestExercises00 = exercise_tests(EXERCISES, WRONG, RIGHT)
