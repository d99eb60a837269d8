"""The text that travels in a kernel's Secret: small, complete, and with true line numbers."""

from __future__ import annotations

import ast
import base64
import importlib
import zlib
from pathlib import Path

import pytest

from kubernel_supervisor import bundle
from kubernel_supervisor.bootstrap import bootstrap_args, bootstrap_script, plain_script
from kubernel_supervisor.bundle import FIRST_STAGE, SECOND_STAGE, ZYGOTE, shipped, supervisor_source, zygote_source

MODULES = (*FIRST_STAGE, *SECOND_STAGE)
FOLDER = Path(bundle.__file__).parent


def source(module: str) -> str:
    """A module as it stands in the repository."""
    return (FOLDER / f"{module}.py").read_text()


def definitions(module: str) -> set[str]:
    """Names that a module defines for others: not those that it imports."""
    found = set()
    for node in ast.parse(source(module)).body:
        match node:
            case ast.ClassDef() | ast.FunctionDef():
                found.add(node.name)
            case ast.Assign():
                found |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return found - {"TYPE_CHECKING"}


def imports(module: str) -> set[str]:
    """Names of the standard library's modules that a module imports."""
    nodes = [node for node in ast.walk(ast.parse(source(module))) if isinstance(node, ast.Import)]
    return {name.asname or name.name for node in nodes for name in node.names}


def test_every_module_is_in_it() -> None:
    others = set(ZYGOTE)
    found = {str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.glob("*/*.py") if path.stem != "__init__"}
    assert found - others == set(MODULES)


def test_no_name_means_two_things() -> None:
    """All modules of a program share one namespace."""
    for program in (MODULES, ZYGOTE):
        defined = [name for module in program for name in definitions(module)]
        assert sorted(defined) == sorted(set(defined))
        assert set(defined).isdisjoint(set.union(*map(imports, program)))


@pytest.mark.parametrize("module", [*MODULES, *ZYGOTE])
def test_what_a_module_imports_is_in_it_before(module: str) -> None:
    program = MODULES if module in MODULES else ZYGOTE
    before = set(program[: program.index(module)])
    nodes = [node for node in ast.walk(ast.parse(source(module))) if isinstance(node, ast.ImportFrom)]
    neighbours = {f"{module.partition('/')[0]}/{node.module}" for node in nodes if node.level}
    absolute = {str(node.module) for node in nodes if not node.level}
    others = {name.partition(".")[2].replace(".", "/") for name in absolute if name.startswith("kubernel_supervisor.")}
    assert neighbours | others <= before


@pytest.mark.parametrize("module", [*MODULES, *ZYGOTE])
def test_a_shipped_module_says_the_same_on_the_same_lines(module: str) -> None:
    def shape(text: str) -> list[tuple[str, int]]:
        """Every statement but imports of ours and docstrings, with its line."""
        left_out = (ast.Expr, ast.ImportFrom, ast.Import, ast.If)
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt)]
        return [(type(node).__name__, node.lineno) for node in nodes if not isinstance(node, left_out)]

    assert shape(shipped(module)) == shape(source(module))


@pytest.mark.parametrize("module", [*MODULES, *ZYGOTE])
def test_a_shipped_module_is_python_3_6_without_comments(module: str) -> None:
    ast.parse(shipped(module), feature_version=(3, 6))
    ast.parse(source(module), feature_version=(3, 6))
    assert " # " not in shipped(module)
    arguments = [node for node in ast.walk(ast.parse(shipped(module))) if isinstance(node, ast.arg)]
    assert [argument.arg for argument in arguments if argument.annotation] == []


def test_the_source_holds_each_module_with_its_name() -> None:
    packed = ast.parse(supervisor_source())
    data = next(n.value for n in ast.walk(packed) if isinstance(n, ast.Constant) and len(str(n.value)) > 4000)
    parts = zlib.decompress(base64.b64decode(data)).decode().split("\0")
    assert [part for part in parts if part.startswith("kubernel_supervisor/") and "bundle" not in part] == [
        f"kubernel_supervisor/{module}.py" for module in MODULES
    ]
    assert parts[parts.index("kubernel_supervisor/run/loop.py") + 1] == shipped("run/loop")


def test_the_source_holds_the_program_of_a_zygote_as_text() -> None:
    packed = ast.parse(supervisor_source())
    data = next(n.value for n in ast.walk(packed) if isinstance(n, ast.Constant) and len(str(n.value)) > 4000)
    last = ast.parse(zlib.decompress(base64.b64decode(data)).decode().split("\0")[-1])
    call = next(node for node in ast.walk(last) if isinstance(node, ast.Call))
    program = ast.literal_eval(call.args[-1])
    assert program == zygote_source()
    assert all(shipped(module) in program for module in ZYGOTE)
    assert program.endswith("run()\n")


def test_an_import_that_one_namespace_cannot_replace_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bundle, "__file__", str(tmp_path / "bundle.py"))
    for text in (
        "from . import loop\n",
        "from .loop import Loop as L\n",
        "from ..x import y\n",
        "from kubernel_supervisor.x import y as z\n",
    ):
        (tmp_path / "wrong.py").write_text(text)
        with pytest.raises(ValueError, match=r"line 1: only `from \.module import name`"):
            shipped("wrong")


def test_modules_can_be_imported_as_they_are() -> None:
    for module in MODULES:
        importlib.import_module(f"kubernel_supervisor.{module.replace('/', '.')}")


@pytest.mark.parametrize("module", MODULES)
def test_no_module_reads_a_clock_that_somebody_may_set(module: str) -> None:
    """A step of an hour ended idle kernels."""
    calls = {ast.unparse(node) for node in ast.walk(ast.parse(source(module))) if isinstance(node, ast.Attribute)}
    assert {name for name in calls if name.startswith(("time.", "datetime."))} <= {"time.monotonic", "time.sleep"}


def test_what_each_kernel_has_of_its_own_is_small() -> None:
    """The supervisor itself is there once for all kernels of a namespace."""
    assert len(bootstrap_script(supervisor_source())) < 1200
    assert len(supervisor_source()) < 64_000  # Linux: 128 KiB for one variable


def test_args_are_short_and_end_in_the_kernels_own() -> None:
    shell = ["sh", "-c", 'eval "$KUBERNEL_BOOTSTRAP"', "kubernel"]
    assert bootstrap_args(["a b", "{connection_file}"]) == [*shell, "a b", "{connection_file}"]
    assert bootstrap_args([]) == shell


def test_the_scripts_are_shipped_without_comments() -> None:
    lines = [*bootstrap_script("").splitlines(), *plain_script().splitlines()]
    assert [line for line in lines if line.startswith(("#", " ")) or not line] == []
    assert 'exec sh -c \'eval "$KUBERNEL_PLAIN"\' kubernel "$@"' in lines


def test_a_shell_finds_its_script_at_the_head_of_the_source() -> None:
    """As a string that Python passes over."""
    first = ast.parse(supervisor_source()).body[0]
    assert isinstance(first, ast.Expr)
    assert ast.literal_eval(first.value) == plain_script()
    assert supervisor_source().startswith(f"r'''{plain_script()}'''\n")
    assert "'''" not in plain_script()
