"""The shape of the project: command folders stay scripts, parts import downwards only, all that is public is told."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARY = sorted((ROOT / "aemg").rglob("*.py"))
COMMANDS = ("datasets", "tokenizer", "pretrain", "finetune", "simulate")
LEVELS = (
    {"signals"},
    {"features"},
    {"adaptation"},
    {"datasets"},
    {"corpus", "simulation"},
    {"quality"},
    {"topology"},
    {"tokenizer"},
    {"sessions"},
    {"model"},
    {"sklearn"},
    {"training"},
    {"neuromotor"},
    {"virtual_user"},
    {"evaluation"},
    {"report"},
)
FOR_ALL = {"errors", "config"}


def part_of(path: Path) -> str:
    return path.relative_to(ROOT / "aemg").parts[0].removesuffix(".py")


def level_of(part: str) -> int:
    found = [level for level, parts in enumerate(LEVELS) if part in parts]
    assert found, f"aemg/{part} has no place in the order of parts"
    return found[0]


def imported_parts(tree: ast.AST) -> Iterator[str]:
    """Parts of aemg that a module imports, wherever in it."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "aemg imports by full name"
            names = [f"{node.module}.{name}" for name in names]
        for name in names:
            head, *rest = name.split(".")
            if head == "aemg" and rest:
                yield rest[0]


def described(tree: ast.Module) -> Iterator[tuple[str, ast.Module | ast.ClassDef | ast.FunctionDef]]:
    """The module, its public classes and functions, and the public methods of those classes."""
    yield "module", tree
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node
            for child in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(child, ast.FunctionDef) and not child.name.startswith("_"):
                    yield f"{node.name}.{child.name}", child


@pytest.mark.parametrize("folder", COMMANDS)
def test_command_folders_are_not_packages(folder: str) -> None:
    names = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__main__"}
    assert "__init__" not in names
    assert not names & set(sys.stdlib_module_names)


@pytest.mark.parametrize("folder", COMMANDS)
def test_a_command_imports_no_sibling_file(folder: str) -> None:
    for path in (ROOT / folder).glob("*.py"):
        siblings = {other.stem for other in path.parent.glob("*.py")}
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not siblings & {alias.name.split(".")[0] for alias in node.names}, path
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in siblings, path


def test_an_installed_datasets_package_wins_over_the_command_folder(tmp_path: Path) -> None:
    """Accelerate imports the `datasets` that others install; from the repository's root it must find theirs."""
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("ORIGIN = 'installed'\n")
    code = f"import sys; sys.path[:] = ['', *sys.path, {str(tmp_path)!r}]; import datasets; print(datasets.ORIGIN)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "installed"


def test_the_wheel_holds_aemg_alone() -> None:
    settings = (ROOT / "pyproject.toml").read_text()
    assert 'include = ["aemg*"]' in settings
    assert importlib.util.find_spec("aemg") is not None


def test_parts_import_only_parts_before_them() -> None:
    wrong = []
    for path in LIBRARY:
        part = part_of(path)
        if part == "__init__" or part in FOR_ALL:
            continue
        for other in imported_parts(ast.parse(path.read_text())):
            if other in FOR_ALL or other in (part, "__version__"):
                continue
            if level_of(other) >= level_of(part):
                wrong.append(f"{path.relative_to(ROOT)} imports aemg.{other}")
    assert not wrong


def test_errors_and_config_import_no_part() -> None:
    for name in FOR_ALL:
        tree = ast.parse((ROOT / "aemg" / f"{name}.py").read_text())
        assert set(imported_parts(tree)) <= FOR_ALL


def test_the_library_does_not_print() -> None:
    calls = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in LIBRARY
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not calls


def test_everything_public_has_a_docstring() -> None:
    bare = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in LIBRARY
        for name, node in described(ast.parse(path.read_text()))
        if not ast.get_docstring(node)
    ]
    assert not bare


def test_nothing_is_unpickled_or_parsed_without_limits() -> None:
    """Pickles, archives of arrays and YAML come from strangers; what loads them must be the harmless form."""
    found = []
    for path in sorted((ROOT / "aemg").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner = ast.unparse(node.func.value)
            options = {k.arg: ast.unparse(k.value) for k in node.keywords}
            name = f"{owner}.{node.func.attr}"
            unsafe = (
                (name in ("pickle.load", "pickle.loads", "joblib.load", "yaml.load", "yaml.unsafe_load", "pd.read_pickle"))
                or (name == "torch.load" and options.get("weights_only") != "True")
                or (name == "np.load" and options.get("allow_pickle", "False") != "False")
                or (name.endswith(".extractall"))
            )
            if unsafe:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {name}")
    assert not found
