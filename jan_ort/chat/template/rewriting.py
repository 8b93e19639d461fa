"""A chat template's syntax tree, rewritten so that it reports what it does while it runs (hop 3).

jinja2's sandbox reports calls, attributes and arithmetic. The rest (turns, ``a ~ b``, comparisons, slices, keys) is
written as plain Python, which nothing can stop: here each becomes a filter, under a name that no template can spell.
Nodes and filters are what jinja2 documents for extensions; its code generator is left alone.
"""

from __future__ import annotations

from typing import Any, TypeVar

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from jan_ort.chat.template.work import ITEM

TURN, COUNTED, ITEMS, JOINED, KEY = "a turn", "a value", "its items", "a ~ b", "a key"
COMPARISONS = {operator: f"a {operator} b" for operator in ("eq", "ne", "gt", "gteq", "lt", "lteq", "in", "notin")}
"""The filter of each comparison, under jinja2's names of them."""

_Body = TypeVar("_Body", nodes.For, nodes.Macro, nodes.CallBlock, nodes.Block)


class MeteredTree(NodeTransformer):
    """Puts the filters that count into a tree.

    ``weight`` says what running all of the tree once costs beside what its filters count.
    """

    weight = 0

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        """Weigh the node, and go on to those that it holds."""
        self.weight += ITEM if isinstance(node, (nodes.List, nodes.Tuple, nodes.Dict)) else 1
        return super().generic_visit(node, *args, **kwargs)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802  (jinja2 finds the methods by these names)
        """Count every turn, also those that the loop's own condition skips."""
        self._count_body(node)
        if node.test is not None:
            node.test = nodes.And(_filter(nodes.Const(ITEM), TURN, node.lineno), node.test, lineno=node.lineno)
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:  # noqa: N802
        """Count what a body holds, each time that it runs."""
        return self._count_body(node)

    visit_CallBlock = visit_Block = visit_Macro  # noqa: N815

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        """Count the parts of ``a ~ b`` before they are written and joined."""
        self.generic_visit(node)
        return _filter(nodes.Tuple(node.nodes, "load", lineno=node.lineno), JOINED, node.lineno)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        """Count what is compared, unless one side is a constant of the template: then it costs next to nothing."""
        self.generic_visit(node)
        sides = [node.expr, *(operand.expr for operand in node.ops)]
        searches = any(operand.op in ("in", "notin") for operand in node.ops)
        if any(isinstance(side, nodes.Const) for side in sides) and not searches:
            return node
        if len(node.ops) == 1:
            return _filter(node.expr, COMPARISONS[node.ops[0].op], node.lineno, node.ops[0].expr)
        holders: list[nodes.Compare | nodes.Operand] = [node, *node.ops]
        for holder in holders:  # a < b < c
            holder.expr = _filter(holder.expr, COUNTED, node.lineno)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        """Count slices, which jinja2 writes as Python's own, and keys that are hashed."""
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            return _filter(node, ITEMS, node.lineno)
        node.arg = _key(node.arg)
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:  # noqa: N802
        """Count the keys of a dictionary, which are hashed."""
        self.generic_visit(node)
        node.key = _key(node.key)
        return node

    def _count_body(self, node: _Body) -> _Body:
        before = self.weight
        self.generic_visit(node)
        turn = _filter(nodes.Const(ITEM + self.weight - before), TURN, node.lineno)
        node.body.insert(0, nodes.ExprStmt(turn, lineno=node.lineno))
        return node


def _filter(value: nodes.Expr, name: str, lineno: int, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(value, name, list(args), [], None, None, lineno=lineno)


def _key(node: nodes.Expr) -> nodes.Expr:
    return node if isinstance(node, nodes.Const) else _filter(node, KEY, node.lineno)
