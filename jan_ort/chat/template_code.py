"""A chat template's Python, written so that it reports what it does while it runs (hop 3)."""

# ruff: noqa: N802  (jinja2 finds the methods by the names of its nodes)

from __future__ import annotations

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame, operators


class CountingCodeGenerator(CodeGenerator):
    """Writes the Python of a template so that it reports to the environment what it does."""

    def visit_For(self, node: nodes.For, frame: Frame) -> None:
        """Count every turn, also those that the loop's own condition skips."""
        # An attribute's name is written as it is, so that this is a call without the price of a sandboxed one.
        node.body.insert(0, nodes.ExprStmt(nodes.EnvironmentAttribute("turn()"), lineno=node.lineno))
        if node.test is not None:
            node.test = nodes.And(nodes.EnvironmentAttribute("turn()"), node.test, lineno=node.lineno)
        super().visit_For(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        """Count the parts of ``a ~ b`` before they are written and joined."""
        join = "markup_join" if frame.eval_ctx.autoescape else "str_join"
        if frame.eval_ctx.volatile:
            join = "(markup_join if context.eval_ctx.volatile else str_join)"
        self.write(f"environment.join_parts({join}, (")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def visit_Add(self, node: nodes.BinExpr, frame: Frame) -> None:
        """Count sums, without the price of an intercepted operator: most of a template is made of them."""
        self.write("environment.plus(")
        self.visit(node.left, frame)
        self.write(", ")
        self.visit(node.right, frame)
        self.write(")")

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:
        """Count what is compared, unless one side is a constant of the template: then it costs next to nothing."""
        sides = [node.expr, *(operand.expr for operand in node.ops)]
        searches = any(operand.op in ("in", "notin") for operand in node.ops)
        if any(isinstance(side, nodes.Const) for side in sides) and not searches:
            super().visit_Compare(node, frame)
            return
        first = node.expr
        if len(node.ops) > 1:
            # a < b < c: each side is counted where it stands.
            self.write("(")
            self._visit_in_call("counted", first, frame)
            for operand in node.ops:
                self.write(f" {operators[operand.op]} ")
                self._visit_in_call("counted", operand.expr, frame)
            self.write(")")
            return
        self.write(f"environment.compare({node.ops[0].op!r}, ")
        self.visit(first, frame)
        self.write(", ")
        self.visit(node.ops[0].expr, frame)
        self.write(")")

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:
        """Count slices, which jinja2 writes as Python's own, and keys that are hashed."""
        if isinstance(node.arg, nodes.Slice):
            self.write("environment.counted_items(")
            super().visit_Getitem(node, frame)
            self.write(")")
        elif isinstance(node.arg, nodes.Const):
            super().visit_Getitem(node, frame)
        else:
            self.write("environment.getitem(")
            self.visit(node.node, frame)
            self.write(", ")
            self._visit_in_call("counted_key", node.arg, frame)
            self.write(")")

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:
        """Count the keys of a dictionary, which are hashed."""
        self.write("{")
        for pair in node.items:
            self._visit_in_call("counted_key", pair.key, frame)
            self.write(": ")
            self.visit(pair.value, frame)
            self.write(", ")
        self.write("}")

    def _visit_in_call(self, name: str, node: nodes.Expr, frame: Frame) -> None:
        self.write(f"environment.{name}(")
        self.visit(node, frame)
        self.write(")")
