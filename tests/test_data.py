"""The data files, their splits, and what is said when one is damaged."""

import gzip
import hashlib
import shutil
import struct

import numpy as np
import pytest
import torch

from dqngan_lib.course import data


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Copy the data files to a folder that a test may spoil."""
    for name in data.CHECKSUMS:
        shutil.copy(data.data_folder() / name, tmp_path / name)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    return tmp_path


def keys(images: torch.Tensor) -> list[bytes]:
    """Return one key for each image, equal where images are."""
    return [image.numpy().tobytes() for image in images]


def test_digits_are_8000_and_2000_without_overlap():
    digits = data.digits()
    assert digits.train_images.shape == (8000, 1, 28, 28)
    assert digits.test_images.shape == (2000, 1, 28, 28)
    assert digits.train_images.dtype == torch.float32
    assert digits.train_labels.dtype == digits.test_labels.dtype == torch.int64
    train, test = keys(digits.train_images), keys(digits.test_images)
    # No picture occurs twice in the file, so the split cannot share one.
    assert len({*train, *test}) == 10_000
    counts = torch.bincount(torch.cat([digits.train_labels, digits.test_labels]))
    assert counts.tolist() == [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]
    # Both parts hold every digit in about the same share.
    shares = torch.bincount(digits.train_labels) / 8000 - torch.bincount(digits.test_labels) / 2000
    assert shares.abs().max() < 0.03


def test_digits_are_those_of_the_file_whatever_the_seed():
    arrays = data.load_arrays("mnist10k.npz")
    by_key = dict(
        zip((image.tobytes() for image in arrays["images"]), arrays["labels"], strict=True)
    )
    torch.manual_seed(1)
    np.random.seed(1)
    first = data.digits()
    torch.manual_seed(2)
    np.random.seed(2)
    second = data.digits()
    for part in ("train", "test"):
        images = getattr(first, f"{part}_images")
        labels = getattr(first, f"{part}_labels").tolist()
        assert torch.equal(images, getattr(second, f"{part}_images"))
        bytes_again = (images * 255).round().to(torch.uint8)
        assert [by_key[key] for key in keys(bytes_again)] == labels
        assert images.min() == 0
        assert images.max() == 1


@pytest.mark.parametrize("side", [16, 14, 7])
def test_smaller_digits_are_the_same_digits(side):
    small, full = data.digits(side), data.digits()
    assert small.train_images.shape == (8000, 1, side, side)
    assert torch.equal(small.test_labels, full.test_labels)
    assert small.train_images.min() >= 0
    assert small.train_images.max() <= 1
    # Shrinking keeps the mean grey, up to what is lost at the edges.
    means = [images.mean((1, 2, 3)) for images in (small.test_images, full.test_images)]
    assert (means[0] - means[1]).abs().max() < 0.02


@pytest.mark.parametrize("side", [0, 27, 8, "28", None])
def test_an_impossible_side_is_named(side):
    with pytest.raises(ValueError, match="side must be 28, 16, 14 or 7; got"):
        data.digits(side)


def test_brain_slices_keep_a_gap_between_train_and_test():
    slices = data.brain_slices()
    arrays = data.load_arrays("mni152_t1_slices.npz")
    heights = arrays["z_mm"].tolist()
    assert len(heights) == 132
    train, test = (
        [heights.index(z) for z in part.tolist()] for part in (slices.train_z_mm, slices.test_z_mm)
    )
    assert test == [*range(36, 50), *range(84, 98)]
    assert train == [*range(32), *range(54, 80), *range(102, 132)]
    assert min(abs(one - other) for one in train for other in test) == 5
    for part, index in (("train", train), ("test", test)):
        images, tissue = getattr(slices, f"{part}_images"), getattr(slices, f"{part}_tissue")
        assert images.shape == (len(index), 1, 64, 64)
        again = (images[:, 0] * 255).round().byte().numpy()
        assert np.array_equal(again, arrays["images"][index])
        assert tissue.dtype == torch.int64
        assert set(tissue.unique().tolist()) == {0, 1, 2}
        assert np.array_equal(tissue.numpy(), arrays["tissue"][index])
        assert 0 <= images.min() < images.max() <= 1


def test_photos_are_eight_in_colour():
    photos, arrays = data.photos(), data.load_arrays("photos.npz")
    assert list(photos) == [str(name) for name in arrays["names"]]
    assert len(photos) == 8
    for image, original in zip(photos.values(), arrays["images"], strict=True):
        assert image.shape == (3, 128, 128)
        assert image.dtype == torch.float32
        assert np.array_equal((image.permute(1, 2, 0) * 255).round().byte().numpy(), original)


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("mnist10k.npz", data.digits),
        ("mni152_t1_slices.npz", data.brain_slices),
        ("photos.npz", data.photos),
    ],
)
def test_a_damaged_file_is_named_with_both_sums(folder, name, load):
    load()
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1  # one bit
    (folder / name).write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    with pytest.raises(ValueError, match="damaged") as error:
        load()
    for part in (str(folder / name), data.CHECKSUMS[name], found):
        assert part in str(error.value)
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name) as missing:
        load()
    assert "COURSE_DATA" in str(missing.value)


def test_an_unknown_name_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"photos\.npz.*got 'cats\.npz'"):
        data.load_arrays("cats.npz")


def test_the_folder_can_be_chosen(folder, monkeypatch):
    assert data.data_folder() == folder
    monkeypatch.setenv("COURSE_DATA", "")
    assert data.data_folder().name == "data"
    assert (data.data_folder().parent / "dqngan_lib").is_dir()


# --- the full data sets, in torchvision's form --------------------------------------------------


def write_idx(path, array: np.ndarray, packed: bool) -> None:
    """Write bytes in the IDX format of the MNIST files: magic number, sizes, numbers."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    content = header + array.tobytes()
    if packed:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(content))
    else:
        path.write_bytes(content)


@pytest.fixture
def small_files(tmp_path):
    """Return a function that writes six and four pictures as torchvision keeps them."""

    def write(name: str, packed: bool) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        raw = tmp_path / name / "raw"
        raw.mkdir(parents=True)
        random_numbers, written = np.random.default_rng(0), {}
        for part, prefix, count in (("train", "train", 6), ("test", "t10k", 4)):
            images = random_numbers.integers(0, 256, (count, 28, 28), np.uint8)
            labels = random_numbers.integers(0, 10, count).astype(np.uint8)
            write_idx(raw / f"{prefix}-images-idx3-ubyte", images, packed)
            write_idx(raw / f"{prefix}-labels-idx1-ubyte", labels, packed)
            written[part] = images, labels
        return written

    return write


@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gz"])
@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_full_dataset_reads_torchvisions_files(tmp_path, small_files, name, packed):
    written = small_files(name, packed)
    for _ in range(2):  # the second time they are unpacked
        found = data.full_dataset(name, tmp_path)
        for part, (images, labels) in written.items():
            tensor = getattr(found, f"{part}_images")
            assert tensor.shape == (len(images), 1, 28, 28)
            assert tensor.dtype == torch.float32
            np.testing.assert_allclose(tensor[:, 0].numpy(), images / 255, rtol=1e-6)
            assert getattr(found, f"{part}_labels").dtype == torch.int64
            assert getattr(found, f"{part}_labels").tolist() == labels.tolist()


DAMAGES = {
    "cut short": lambda content: content[:-1],
    "too long": lambda content: content + b"1",
    "empty": lambda content: b"",
    "not IDX": lambda content: b"<html>" + content,
    "one picture or label less": lambda content: (
        content[:7] + bytes([content[7] - 1]) + content[8 : -784 if len(content) > 784 else -1]
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_a_damaged_idx_file_is_named(tmp_path, small_files, file, damage):
    small_files("MNIST", packed=False)
    path = tmp_path / "MNIST" / "raw" / file
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    words = rf"raw.{file.partition('-')[0]}-… is damaged \(.+\)\. Delete the two"
    with pytest.raises(ValueError, match=words):
        data.full_dataset("MNIST", tmp_path)


@pytest.mark.parametrize("kept", [0, 20, 100, -4])
def test_a_damaged_gz_is_named_and_leaves_nothing_behind(tmp_path, small_files, kept):
    small_files("MNIST", packed=True)
    path = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:kept] if kept else b"<html>")
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz is damaged \(.+\)"):
        data.full_dataset("MNIST", tmp_path)
    path.write_bytes(whole)
    assert len(data.full_dataset("MNIST", tmp_path).train_images) == 6


def test_full_dataset_names_what_is_missing(tmp_path, small_files):
    with pytest.raises(ValueError, match="name must be 'MNIST' or 'FashionMNIST'; got 'CIFAR10'"):
        data.full_dataset("CIFAR10", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"t10k-labels-idx1-ubyte not found in .*MNIST.raw"):
        data.full_dataset("MNIST", tmp_path)
    assert list(tmp_path.iterdir()) == []
    small_files("FashionMNIST", packed=False)
    (tmp_path / "FashionMNIST" / "raw" / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match=r"^train-labels-idx1-ubyte not found in"):
        data.full_dataset("FashionMNIST", tmp_path)
