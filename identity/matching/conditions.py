"""SQL conditions over one or two records as Python closures: the same text that DuckDB runs, parsed and compiled.

The grammar is DuckDB's (sqlglot parses it), the logic SQL's: a comparison with nothing known is unknown, and only
what is true holds. Distances count bytes, as DuckDB's do. What is not known here fails when it is compiled, by name.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp

from identity.errors import Uncompiled
from identity.matching import functions
from identity.matching.places import Place, within

Record = tuple[Any, ...]
Value = Callable[[Record, Record], Any]
Truth = Callable[[Record, Record], bool]


def condition(sql: str, place: Place) -> Truth:
    """Return whether a condition is true of a pair; unknown is not true."""
    return _truth(parsed(sql), place)


def value(sql: str | exp.Expr, place: Place) -> Value:
    """Return what an expression is of a pair; unknown is None."""
    return _value(parsed(sql) if isinstance(sql, str) else sql, place)


@lru_cache(maxsize=512)
def parsed(sql: str) -> exp.Expr:
    """Return the tree of an expression in DuckDB's grammar."""
    return sqlglot.parse_one(sql, read="duckdb")


def _value(node: exp.Expr, place: Place) -> Value:
    kind = type(node)
    if kind in functions.STRICT:
        function, names = functions.STRICT[kind]
        given = {name for name, held in node.args.items() if isinstance(held, exp.Expr)}
        if given - set(names):
            raise Uncompiled(f"{kind.__name__} with {', '.join(sorted(given - set(names)))}")
        return _strict(function, [node.args[name] for name in names if name in given], place)
    if isinstance(node, exp.Anonymous):
        named = functions.NAMED.get(node.name.lower())
        if named is None:
            raise Uncompiled(node.name)
        return _strict(named, node.expressions, place)
    if kind not in _FORMS:
        raise Uncompiled(node.sql_name().lower() if isinstance(node, exp.Func) else kind.__name__)
    return _FORMS[kind](node, place)


def _truth(node: exp.Expr, place: Place) -> Truth:
    """Return whether a condition is true; what is unknown need not be told from what is false here."""
    if isinstance(node, exp.Paren):
        return _truth(node.this, place)
    if isinstance(node, exp.And):
        return _all([_truth(part, place) for part in node.flatten()])
    if isinstance(node, exp.Or):
        return _any([_truth(part, place) for part in node.flatten()])
    if isinstance(node, exp.EQ | exp.GTE | exp.LTE):
        return _compared(node, place)
    if isinstance(node, exp.Is) and isinstance(node.this, exp.Column) and isinstance(node.expression, exp.Null):
        there, i = _column(node.this, place)
        return (lambda _, right: right[i] is None) if there else (lambda left, _: left[i] is None)
    made = _value(node, place)
    return lambda left, right: made(left, right) is True


def _compared(node: exp.Binary, place: Place) -> Truth:
    """Return whether a comparison is true: what most levels ask, so with as few calls as can be."""
    compare = functions.STRICT[type(node)][0]
    sides = _sides(node.this, node.expression, place)
    if isinstance(node, exp.EQ) and sides:
        i, j = sides
        return lambda left, right: left[i] == right[j] and left[i] is not None
    first, second = _value(node.this, place), _value(node.expression, place)
    if isinstance(node.expression, exp.Literal):
        bound = second((), ())

        def beyond(left: Record, right: Record) -> bool:
            x = first(left, right)
            return x is not None and compare(x, bound)

        return beyond

    def held(left: Record, right: Record) -> bool:
        x = first(left, right)
        if x is None:
            return False
        y = second(left, right)
        return y is not None and compare(x, y)

    return held


def _sides(first: exp.Expr, second: exp.Expr, place: Place) -> tuple[int, int] | None:
    """Return the positions of two columns, one of the left record and one of the right; None for anything else."""
    if not (isinstance(first, exp.Column) and isinstance(second, exp.Column)):
        return None
    (here, i), (there, j) = _column(first, place), _column(second, place)
    return (i, j) if (here, there) == (False, True) else None


def _all(parts: list[Truth]) -> Truth:
    def held(left: Record, right: Record) -> bool:
        for part in parts:  # noqa: SIM110 - a generator a pair costs more than all it asks
            if not part(left, right):
                return False
        return True

    return held


def _any(parts: list[Truth]) -> Truth:
    def held(left: Record, right: Record) -> bool:
        for part in parts:  # noqa: SIM110 - as above
            if part(left, right):
                return True
        return False

    return held


def _strict(function: Callable[..., Any], nodes: Sequence[exp.Expr], place: Place) -> Value:
    """Return a function of known values: unknown if any of them is."""
    parts = [_value(node, place) for node in nodes]
    if len(nodes) > 1 and all(isinstance(node, exp.Literal) for node in nodes[1:]):
        return _fixed(functions.bound(function, *[part((), ()) for part in parts[1:]]), nodes[0], place)
    if len(parts) == 2:
        return _binary(function, parts[0], parts[1], _sides(nodes[0], nodes[1], place))
    if len(parts) > 2:

        def several(left: Record, right: Record) -> Any:
            held = [part(left, right) for part in parts]
            return None if None in held else function(*held)

        return several
    return _fixed(function, nodes[0], place)


def _fixed(function: Callable[[Any], Any], node: exp.Expr, place: Place) -> Value:
    if isinstance(node, exp.Column):
        there, i = _column(node, place)

        def of_column(left: Record, right: Record) -> Any:
            x = right[i] if there else left[i]
            return None if x is None else function(x)

        return of_column
    one = _value(node, place)

    def unary(left: Record, right: Record) -> Any:
        x = one(left, right)
        return None if x is None else function(x)

    return unary


def _binary(function: Callable[..., Any], first: Value, second: Value, sides: tuple[int, int] | None) -> Value:
    if sides is None:

        def computed(left: Record, right: Record) -> Any:
            x = first(left, right)
            if x is None:
                return None
            y = second(left, right)
            return None if y is None else function(x, y)

        return computed
    i, j = sides

    def read(left: Record, right: Record) -> Any:
        x, y = left[i], right[j]
        return None if x is None or y is None else function(x, y)

    return read


def _column(node: exp.Expr, place: Place) -> tuple[bool, int]:
    found = place(node.table, node.name) if isinstance(node, exp.Column) else place("", node.name)
    if found is None:
        raise Uncompiled(f"column {node.sql()}")
    return found


def _get(node: exp.Expr, place: Place) -> Value:
    right, position = _column(node, place)
    return (lambda _, that: that[position]) if right else (lambda this, _: this[position])


def _constant(held: Any) -> Value:
    return lambda *_: held


def _literal(node: exp.Expr, _: Place) -> Value:
    return _constant(node.name if node.is_string else int(node.name) if node.is_int else float(node.name))


def _joined(parts: list[Value], *, settles: bool) -> Value:
    """Return AND (settled by one that is false) or OR (by one that is true); else unknown where any is."""

    def joined(left: Record, right: Record) -> bool | None:
        unknown = False
        for part in parts:
            held = part(left, right)
            if held is settles:
                return bool(held)
            if held is None:
                unknown = True
        return None if unknown else not settles

    return joined


def _connective(*, settles: bool) -> Callable[[exp.Expr, Place], Value]:
    return lambda node, place: _joined([_value(part, place) for part in node.flatten()], settles=settles)


def _is(node: exp.Expr, place: Place) -> Value:
    made, wanted = _value(node.this, place), node.expression
    if isinstance(wanted, exp.Null):
        return lambda left, right: made(left, right) is None
    if isinstance(wanted, exp.Boolean):
        truth = bool(wanted.this)
        return lambda left, right: made(left, right) is truth
    raise Uncompiled(node.sql())


def _coalesce(node: exp.Expr, place: Place) -> Value:
    parts = [_value(part, place) for part in (node.this, *node.expressions)]

    def first(left: Record, right: Record) -> Any:
        for part in parts:
            held = part(left, right)
            if held is not None:
                return held
        return None

    return first


def _case(node: exp.Expr, place: Place) -> Value:
    if node.this is not None:
        cases = [(exp.EQ(this=node.this.copy(), expression=case.this.copy()), case) for case in node.args["ifs"]]
    else:
        cases = [(case.this, case) for case in node.args["ifs"]]
    made = [(_truth(when, place), _value(case.args["true"], place)) for when, case in cases]
    otherwise = _value(node.args["default"], place) if node.args.get("default") else _constant(None)

    def first(left: Record, right: Record) -> Any:
        for when, then in made:
            if when(left, right):
                return then(left, right)
        return otherwise(left, right)

    return first


def _nullif(node: exp.Expr, place: Place) -> Value:
    this, other = _value(node.this, place), _value(node.expression, place)

    def unless(left: Record, right: Record) -> Any:
        held = this(left, right)
        return None if held is not None and held == other(left, right) else held

    return unless


def _distinct(*, same: bool) -> Callable[[exp.Expr, Place], Value]:
    def made(node: exp.Expr, place: Place) -> Value:
        this, other = _value(node.this, place), _value(node.expression, place)
        return lambda left, right: (this(left, right) == other(left, right)) is same

    return made


def _in(node: exp.Expr, place: Place) -> Value:
    if not node.expressions:
        raise Uncompiled(node.sql())
    equal = [exp.EQ(this=node.this.copy(), expression=one.copy()) for one in node.expressions]
    return _joined([_value(part, place) for part in equal], settles=True)


def _between(node: exp.Expr, place: Place) -> Value:
    low = exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())
    high = exp.LTE(this=node.this.copy(), expression=node.args["high"].copy())
    return _joined([_value(low, place), _value(high, place)], settles=False)


def _element(node: exp.Expr, place: Place) -> Value:
    held, (index,) = _value(node.this, place), node.expressions
    # the parser has made positions begin with zero; from the end and by expression they are not needed
    if not (isinstance(index, exp.Literal) and index.is_int):
        raise Uncompiled(node.sql())
    position = int(index.name)

    def element(left: Record, right: Record) -> Any:
        values = held(left, right)
        return values[position] if values is not None and position < len(values) else None

    return element


def _listed(node: exp.Expr, place: Place) -> Value:
    parts = [_value(one, place) for one in node.expressions]
    return lambda left, right: [one(left, right) for one in parts]


def _over_list(*, keep: bool) -> Callable[[exp.Expr, Place], Value]:
    """Return the compiler of list_transform, or (`keep`) of list_filter."""

    def made(node: exp.Expr, place: Place) -> Value:
        held, body = _value(node.this, place), node.expression
        if not isinstance(body, exp.Lambda) or len(body.expressions) != 1:
            raise Uncompiled(node.sql())
        # the element stands behind the left record's values, in a record of the call's own: calls share nothing
        inner = _value(body.this, within(body.expressions[0].name, place))

        def listed(left: Record, right: Record) -> Any:
            values = held(left, right)
            if values is None:
                return None
            if keep:
                return [one for one in values if inner((*left, one), right) is True]
            return [inner((*left, one), right) for one in values]

        return listed

    return made


def _cast(node: exp.Cast, place: Place) -> Value:
    made, kind = _value(node.this, place), node.to.sql("duckdb")
    if kind not in functions.CASTS:
        raise Uncompiled(f"CAST to {kind}")
    cast, trying = functions.CASTS[kind], isinstance(node, exp.TryCast)

    def converted(left: Record, right: Record) -> Any:
        held = made(left, right)
        if held is None:
            return None
        try:
            return cast(held)
        except ValueError:
            if trying:
                return None
            raise

    return converted


_FORMS: dict[type[exp.Expr], Callable[[Any, Place], Value]] = {
    exp.Column: _get,
    exp.Identifier: _get,
    exp.Literal: _literal,
    exp.Boolean: lambda node, _: _constant(bool(node.this)),
    exp.Null: lambda *_: _constant(None),
    exp.Paren: lambda node, place: _value(node.this, place),
    exp.And: _connective(settles=False),
    exp.Or: _connective(settles=True),
    exp.Is: _is,
    exp.Coalesce: _coalesce,
    exp.Case: _case,
    exp.Nullif: _nullif,
    exp.NullSafeEQ: _distinct(same=True),
    exp.NullSafeNEQ: _distinct(same=False),
    exp.In: _in,
    exp.Between: _between,
    exp.Array: _listed,
    exp.Bracket: _element,
    exp.Transform: _over_list(keep=False),
    exp.ArrayFilter: _over_list(keep=True),
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.RegexpExtract: lambda node, place: _strict(functions.first_match, [node.this, node.expression], place),
}
