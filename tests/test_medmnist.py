"""Files in the format of MedMNIST are read as they are, and what is wrong with one is named."""

import numpy as np
import pytest

from dqngan_lib.applications.medical.medmnist import read_medmnist

COUNTS = {"train": 5, "val": 3, "test": 2}


def _arrays(shape=(28, 28), labels=1):
    """Return small arrays with MedMNIST's names, shapes and types."""
    rng, arrays = np.random.default_rng(0), {}
    for name, count in COUNTS.items():
        arrays[f"{name}_images"] = rng.integers(256, size=(count, *shape), dtype=np.uint8)
        arrays[f"{name}_labels"] = rng.integers(2, size=(count, labels), dtype=np.uint8)
    return arrays


def _written(folder, arrays):
    path = folder / "smallmnist.npz"
    np.savez(path, **arrays)
    return path


def test_grey_pictures_and_labels_come_back(tmp_path):
    arrays = _arrays()
    parts = read_medmnist(_written(tmp_path, arrays))
    for part, (name, count) in zip(parts, COUNTS.items(), strict=True):
        assert part.images.shape == (count, 1, 28, 28)
        assert np.array_equal((255 * part.images[:, 0]).round(), arrays[f"{name}_images"])
        assert part.labels.tolist() == arrays[f"{name}_labels"][:, 0].tolist()


def test_colours_come_first(tmp_path):
    arrays = _arrays(shape=(28, 28, 3))
    train, _, _ = read_medmnist(str(_written(tmp_path, arrays)))
    assert train.images.shape == (5, 3, 28, 28)
    blue = (255 * train.images[4, 2]).round()
    assert np.array_equal(blue, arrays["train_images"][4, ..., 2])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.npz"):
        read_medmnist(tmp_path / "nothing.npz")


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "broken.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.npz is damaged"):
        read_medmnist(path)


def test_a_single_array_is_no_such_file(tmp_path):
    path = tmp_path / "one.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match=r"one\.npz is damaged or no"):
        read_medmnist(path)


def test_nothing_is_unpickled(tmp_path):
    arrays = _arrays() | {"train_labels": np.array([[{}]] * 5, dtype=object)}
    with pytest.raises(ValueError, match="damaged or no"):
        read_medmnist(_written(tmp_path, arrays))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"val_images": None}, "val_images is there"),
        ({"test_labels": np.zeros((3, 1), np.uint8)}, "test_labels must be"),
        ({"train_images": np.zeros((5, 28, 28))}, "train_images must be"),
        ({"train_images": np.zeros((5, 28, 28, 28), np.uint8)}, "train_images must be"),
        ({"train_labels": np.zeros((5, 14), np.uint8)}, "one label a picture"),
        ({"train_labels": np.zeros((5, 1))}, "train_labels must be whole numbers"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, change, named):
    arrays = {key: value for key, value in (_arrays() | change).items() if value is not None}
    with pytest.raises(ValueError, match=named):
        read_medmnist(_written(tmp_path, arrays))
