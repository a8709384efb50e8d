"""What is worked out from the rules is kept in a file, and never trusted more than the rules."""

import msgspec
import pytest

from safety import kept


class Numbers(msgspec.Struct):
    of: list[int]


@pytest.fixture
def folder(tmp_path):
    """Another one than that of the run, which must not lose what it has."""
    before = kept._folder
    kept.use(tmp_path / "kept")
    yield tmp_path / "kept"
    kept.use(before)


@pytest.fixture
def made():
    """What was worked out, in order."""
    return []


def numbers(made, version, of=(1, 2), name="rules"):
    def make():
        made.append(version)
        return Numbers(list(of))

    return kept.kept(name, version, Numbers, make).of


def names(folder):
    return sorted(path.name.partition("-")[0] for path in folder.iterdir())


def test_kept_is_made_once_for_a_version(folder, made):
    assert [numbers(made, "a"), numbers(made, "a", of=(3,))] == [[1, 2], [1, 2]]
    assert made == ["a"]


def test_kept_is_made_anew_when_the_rules_change(folder, made):
    assert [numbers(made, "a"), numbers(made, "b", of=(3,)), numbers(made, "a")] == [[1, 2], [3], [1, 2]]
    assert made == ["a", "b", "a"]


def test_only_the_last_of_each_name_stays(folder, made):
    numbers(made, "a", name="output")
    for version in "abc":
        numbers(made, version)
    assert names(folder) == ["output", "rules"]


@pytest.mark.parametrize(
    "content", [b"", b"\xc1", b"not msgpack", msgspec.msgpack.encode({"of": "x"}), b"\x80"]
)
def test_corrupt_file_is_made_anew_and_replaced(folder, made, content):
    numbers(made, "a")
    [path] = folder.iterdir()
    path.write_bytes(content)
    assert [numbers(made, "a"), numbers(made, "a")] == [[1, 2], [1, 2]]
    assert made == ["a", "a"]


def test_folder_that_cannot_be_written_costs_time_only(tmp_path, made, caplog):
    (tmp_path / "file").write_text("in the way")
    before = kept._folder
    kept.use(tmp_path / "file" / "kept")
    try:
        assert [numbers(made, "a"), numbers(made, "a")] == [[1, 2], [1, 2]]
    finally:
        kept.use(before)
    assert made == ["a", "a"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def test_without_a_folder_nothing_is_kept(folder, made):
    kept.use(None)
    assert [numbers(made, "a"), numbers(made, "a")] == [[1, 2], [1, 2]]
    assert (made, folder.exists()) == (["a", "a"], False)


def test_no_half_written_file_stays_behind(folder, made):
    numbers(made, "a")
    assert [path.suffix for path in folder.iterdir()] == [".msgpack"]
    assert folder.stat().st_mode & 0o777 & 0o022 == 0
