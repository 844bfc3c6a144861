"""The mutants of a Python file: every small change of its code that a good test would see.

A mutant is one change: a comparison, an arithmetic or a boolean operator, `min` and `max`, `any` and `all` exchanged, a
`not` or a sign dropped, a condition turned round, a number one more or one less, a text without blanks (a key, a name,
a pattern) emptied, True and False exchanged, an argument by name or after the first dropped, an end of a slice moved by
one, a result replaced by None, a call whose result nobody takes left out, `break` and `continue` exchanged. Left alone
are docstrings, annotations, decorators, `__all__`, imports and sentences for people.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any

_SWAPPED: dict[type[ast.AST], type[Any]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
}  # fmt: skip
_NAMES = {"min": "max", "any": "all", "minimum": "maximum", "argmin": "argmax", "floor": "ceil"}
_NAMES |= {there: here for here, there in _NAMES.items()} | {"startswith": "endswith", "endswith": "startswith"}
_BARE = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)
_TYPES = ("Literal", "Callable", "NDArray", "tuple", "dict", "list", "set")


@dataclass(frozen=True)
class Mutant:
    """One change: its line, what stood there, what stands there now, and the module with it."""

    line: int
    before: str
    after: str
    code: CodeType


def mutants(path: Path) -> Iterator[Mutant]:
    """Every mutant of a file, from top to bottom; each is made when it is asked for."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node, put in list(_places(tree)):
        for changed in _alternatives(node):
            put(ast.fix_missing_locations(ast.copy_location(changed, node)))
            code = compile(tree, str(path), "exec", dont_inherit=True)
            put(node)
            yield Mutant(getattr(node, "lineno", 0), ast.unparse(node), ast.unparse(changed), code)


def _places(node: ast.AST) -> Iterator[tuple[ast.AST, Callable[[ast.AST], None]]]:
    """Every node that may be changed, with what puts another in its place."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for at, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not _left_alone(node, child):
                yield child, partial(setattr, node, field) if at is None else partial(value.__setitem__, at)
                yield from _places(child)


def _left_alone(holder: ast.AST, node: ast.AST) -> bool:
    match node:
        case (
            ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant())
            | ast.Assign(targets=[ast.Name(id="__all__")]) | ast.If(test=ast.Name(id="TYPE_CHECKING"))
        ):  # fmt: skip
            return True
        case ast.Subscript(value=ast.Name(id=name)) if name in _TYPES:
            return True
    return isinstance(node, ast.Constant) and isinstance(holder, ast.JoinedStr)


def _alternatives(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in a node's place."""
    match node:
        case ast.Compare(ops=ops):
            for i, op in enumerate(ops):
                yield _with(node, ops=[*ops[:i], _SWAPPED[type(op)](), *ops[i + 1 :]])
        case ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op):
            yield _with(node, op=_SWAPPED[type(op)]())
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield operand
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.Constant(value="" | b"" as value):
            yield ast.Constant("~" if value == "" else b"~")
        case ast.Constant(value=str() | bytes() as value) if len(value.split()) <= 1:
            yield ast.Constant(value[:0])
        case ast.Call():
            yield from _other_calls(node)
        case ast.Slice(lower=lower, upper=upper):
            one = ast.Constant(1)
            if not isinstance(lower, ast.Constant):
                yield _with(node, lower=ast.BinOp(lower, ast.Add(), one) if lower else one)
            if not isinstance(upper, ast.Constant):
                yield _with(node, upper=ast.BinOp(upper, ast.Sub(), one) if upper else ast.Constant(-1))
        case ast.If(test=test) | ast.IfExp(test=test) if isinstance(test, _BARE):
            yield _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()


def _with(node: ast.AST, **fields: Any) -> ast.AST:
    """A copy of a node with other fields."""
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _other_calls(call: ast.Call) -> Iterator[ast.AST]:
    match call.func:
        case ast.Name(id=name) if name in _NAMES:
            yield _with(call, func=ast.Name(_NAMES[name], ast.Load()))
        case ast.Attribute(attr=name) if name in _NAMES:
            yield _with(call, func=_with(call.func, attr=_NAMES[name]))
    for field, first in (("args", 1), ("keywords", 0)):
        given = getattr(call, field)
        for i in range(first, len(given)):
            yield _with(call, **{field: [*given[:i], *given[i + 1 :]]})
