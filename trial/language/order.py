"""The order in which derived items are computed, and the cycles that leave them without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from trial.language.compiler import Expression
from trial.language.refs import Ref


class Order(NamedTuple):
    """Derivations in an order in which each comes after what it reads, and the cycles that make this impossible."""

    order: list[Ref]
    cycles: list[list[Ref]]


def dependencies(expressions: Mapping[Ref, Expression]) -> Order:
    """The order in which to compute derived items (key: the item's Ref as scopes write it), and all cycles.

    Only reads of the same visit make a cycle: `previous.…` and `at('…')….` look at other records. Items of a cycle
    stand at the end of the order.
    """
    keys = list(expressions)
    position = {key: index for index, key in enumerate(keys)}
    edges = {
        key: sorted((ref for ref in expressions[key].reads if ref in position), key=position.__getitem__)
        for key in keys
    }
    components = _components(keys, edges)
    cycles = [component for component in components if len(component) > 1 or component[0] in edges[component[0]]]
    tangled = {key for cycle in cycles for key in cycle}
    ordered = [key for component in components for key in component if key not in tangled]
    for cycle in cycles:
        cycle.sort(key=position.__getitem__)
    return Order(ordered + [key for cycle in cycles for key in cycle], cycles)


def _components(keys: Sequence[Ref], edges: Mapping[Ref, Sequence[Ref]]) -> list[list[Ref]]:
    """Strongly connected components, dependencies first (Tarjan 1972, without recursion)."""
    index: dict[Ref, int] = {}
    low: dict[Ref, int] = {}
    waiting: list[Ref] = []
    on_stack: set[Ref] = set()
    components: list[list[Ref]] = []
    for root in keys:
        if root in index:
            continue
        work: list[tuple[Ref, int]] = [(root, 0)]
        while work:
            key, step = work.pop()
            if step == 0:
                index[key] = low[key] = len(index)
                waiting.append(key)
                on_stack.add(key)
            descended = False
            for position in range(step, len(edges[key])):
                other = edges[key][position]
                if other not in index:
                    work += [(key, position + 1), (other, 0)]
                    descended = True
                    break
                if other in on_stack:
                    low[key] = min(low[key], low[other])
            if descended:
                continue
            if low[key] == index[key]:
                component: list[Ref] = []
                while True:
                    member = waiting.pop()
                    on_stack.discard(member)
                    component.append(member)
                    if member == key:
                        break
                components.append(component[::-1])
            if work:
                parent = work[-1][0]
                low[parent] = min(low[parent], low[key])
    return components
