"""The sampler of neighbours against references written with loops, and the distribution of what it draws."""

from __future__ import annotations

import pickle
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome.errors import UsageError
from connectome.loaders.graphs import neighbours as module
from connectome.loaders.graphs.adjacency import adjacency_of
from connectome.loaders.graphs.budgets import sample_by_budget
from connectome.loaders.graphs.neighbours import ANY, Neighbours, Times, choose

DIRECTIONS = ["in", "out", "both"]
CHI_SQUARE_ONE_IN_A_MILLION = {2: 27.6, 5: 36.0, 9: 45.1, 14: 54.2, 19: 62.8}
"""Quantiles of the chi-square distribution at 1 - 1e-6 by degrees of freedom."""


@st.composite
def multigraphs(draw, most_nodes=10, most_edges=30):
    """Edges with loops and parallels: (number of nodes, source, target)."""
    n_nodes = draw(st.integers(1, most_nodes))
    ends = st.integers(0, n_nodes - 1)
    edges = draw(st.lists(st.tuples(ends, ends), max_size=most_edges))
    table = np.array(edges, dtype=np.int64).reshape(-1, 2)
    return n_nodes, table[:, 0], table[:, 1]


def incidences(source, target, direction):
    """Return (centre, neighbour, edge) of every listed neighbour, by loops."""
    found = []
    for edge, (a, b) in enumerate(zip(source.tolist(), target.tolist(), strict=True)):
        if direction != "out":
            found.append((b, a, edge))
        if direction == "out" or (direction == "both" and a != b):
            found.append((a, b, edge))
    return found


def chi_square(counts):
    counts = np.asarray(counts, dtype=float)
    return ((counts - counts.mean()) ** 2 / counts.mean()).sum()


# -- drawing ---------------------------------------------------------------------------------------------------------


@given(
    count=st.lists(st.integers(0, 12), max_size=8),
    limit=st.integers(-1, 9),
    replace=st.booleans(),
    seed=st.integers(0, 9),
)
def test_items_are_drawn_from_their_own_group_as_many_as_there_are_or_as_are_asked_for(count, limit, replace, seed):
    group, item = choose(np.array(count, dtype=np.int64), limit, np.random.default_rng(seed), replace=replace)
    for at, size in enumerate(count):
        mine = item[group == at].tolist()
        assert all(0 <= one < size for one in mine)
        if limit < 0 or (not replace and size <= limit):
            assert mine == list(range(size))
        elif replace:
            assert len(mine) == (limit if size else 0)
        else:
            assert len(set(mine)) == len(mine) == limit
            assert mine == sorted(mine)


@pytest.mark.parametrize("by_keys", [False, True])
@pytest.mark.parametrize(("size", "limit"), [(6, 2), (5, 3), (6, 1), (6, 5), (6, 3)])
def test_every_set_of_items_is_drawn_equally_often(monkeypatch, size, limit, by_keys):
    if by_keys:
        monkeypatch.setattr(module, "MOST_BY_SETS", 0)
    n_draws = 4000
    _, item = choose(np.full(n_draws, size), limit, np.random.default_rng(5))
    counts = Counter(map(tuple, item.reshape(n_draws, limit).tolist()))
    sets = list(combinations(range(size), limit))
    assert set(counts) <= set(sets)
    assert chi_square([counts[one] for one in sets]) < CHI_SQUARE_ONE_IN_A_MILLION[len(sets) - 1]


def test_with_replacement_every_item_is_drawn_equally_often_and_independently():
    _, item = choose(np.full(4000, 3), 2, np.random.default_rng(1), replace=True)
    pairs = Counter(map(tuple, item.reshape(4000, 2).tolist()))
    assert len(pairs) == 9
    # Nine pairs have eight degrees of freedom; the limit for nine is larger and does as well.
    assert chi_square(list(pairs.values())) < CHI_SQUARE_ONE_IN_A_MILLION[9]


def test_a_few_neighbours_of_a_hub_are_drawn_without_going_through_all():
    class Counting:
        def __init__(self):
            self.generator, self.drawn = np.random.default_rng(0), 0

        def random(self, size):
            self.drawn += int(np.prod(size))
            return self.generator.random(size)

    counting = Counting()
    _, item = choose(np.array([10_000_000, 3]), 5, counting)
    assert len(item) == 8
    assert counting.drawn == 5


# -- one type --------------------------------------------------------------------------------------------------------


@given(graph=multigraphs(), direction=st.sampled_from(DIRECTIONS))
def test_an_adjacency_lists_every_end_of_an_edge_once(graph, direction):
    n_nodes, source, target = graph
    adjacency = adjacency_of(source, target, n_nodes, direction)
    slot = np.arange(len(adjacency.neighbour))
    centre = np.repeat(np.arange(n_nodes), np.diff(adjacency.pointer))
    found = zip(centre.tolist(), adjacency.neighbour.tolist(), adjacency.edges_at(slot).tolist(), strict=True)
    assert sorted(found) == sorted(incidences(source, target, direction))


def test_an_adjacency_has_one_of_three_directions():
    with pytest.raises(UsageError, match="direction"):
        adjacency_of(np.zeros(0, int), np.zeros(0, int), 2, "sideways")
    with pytest.raises(UsageError, match="one way"):
        adjacency_of(np.zeros(0, int), np.zeros(0, int), (2, 3), "both")


@settings(deadline=None)
@given(
    data=st.data(),
    graph=multigraphs(),
    direction=st.sampled_from(DIRECTIONS),
    fan_out=st.lists(st.integers(-1, 4), max_size=3),
    seed=st.integers(0, 20),
    replace=st.booleans(),
    disjoint=st.booleans(),
)
def test_what_is_sampled_is_what_a_loop_over_seeds_and_edges_allows(
    data, graph, direction, fan_out, seed, replace, disjoint
):
    n_nodes, source, target = graph
    seeds = np.array(data.draw(st.lists(st.integers(0, n_nodes - 1), min_size=1, unique=not disjoint, max_size=8)))
    sampler = Neighbours(adjacency_of(source, target, n_nodes, direction))
    found = sampler.sample(seeds, fan_out, np.random.default_rng(seed), replace=replace, disjoint=disjoint)
    node, row, col, edge = found.node[""], found.row[ANY], found.col[ANY], found.edge[ANY]
    batch = found.batch[""] if disjoint else np.zeros(len(node), dtype=np.int64)
    listed = incidences(source, target, direction)
    assert node[: len(seeds)].tolist() == seeds.tolist()
    if disjoint:
        assert batch[: len(seeds)].tolist() == list(range(len(seeds)))
    places = list(zip(batch.tolist(), node.tolist(), strict=True))
    assert len(set(places)) == len(places)
    n_nodes_of, n_edges_of = found.n_nodes[""], found.n_edges[ANY]
    assert (sum(n_nodes_of), sum(n_edges_of)) == (len(node), len(edge))
    assert (len(n_nodes_of), len(n_edges_of)) == (len(fan_out) + 1, len(fan_out))
    known, at = 0, 0
    for hop, limit in enumerate(fan_out):
        frontier = range(known, known + n_nodes_of[hop])
        drawn = range(at, at + n_edges_of[hop])
        assert sorted(col[drawn].tolist()) == col[drawn].tolist()
        for centre in frontier:
            mine = [one for one in drawn if col[one] == centre]
            allowed = Counter((b, e) for a, b, e in listed if a == node[centre])
            got = Counter((int(node[row[one]]), int(edge[one])) for one in mine)
            assert all(batch[row[one]] == batch[centre] for one in mine)
            assert set(got) <= set(allowed)
            n_allowed = sum(allowed.values())
            if replace and limit >= 0:
                assert len(mine) == (limit if n_allowed else 0)
            else:
                assert got <= allowed
                assert len(mine) == (n_allowed if limit < 0 else min(limit, n_allowed))
        assert set(col[drawn].tolist()) <= set(frontier)
        # A node that is new was met in this hop, as a neighbour; they come in the order in which they were met.
        fresh = range(known + n_nodes_of[hop], known + n_nodes_of[hop] + n_nodes_of[hop + 1])
        assert list(dict.fromkeys(one for one in row[drawn].tolist() if one in fresh)) == list(fresh)
        known, at = known + n_nodes_of[hop], at + n_edges_of[hop]


@given(graph=multigraphs(), k=st.integers(0, 3), direction=st.sampled_from(DIRECTIONS))
def test_all_neighbours_of_all_hops_are_those_of_a_breadth_first_search(graph, k, direction):
    n_nodes, source, target = graph
    listed = incidences(source, target, direction)
    distance, edges = {0: 0}, set()
    for hop in range(k):
        for centre, neighbour, edge in listed:
            if distance.get(centre) == hop:
                edges.add((centre, neighbour, edge))
                distance.setdefault(neighbour, hop + 1)
    found = Neighbours(adjacency_of(source, target, n_nodes, direction)).sample(
        np.array([0]), [-1] * k, np.random.default_rng(0)
    )
    node = found.node[""]
    hops = np.repeat(np.arange(k + 1), found.n_nodes[""])
    assert dict(zip(node.tolist(), hops.tolist(), strict=True)) == distance
    got = zip(node[found.col[ANY]].tolist(), node[found.row[ANY]].tolist(), found.edge[ANY].tolist(), strict=True)
    assert set(got) == edges


def test_every_edge_of_a_node_is_sampled_equally_often():
    sampler, generator = Neighbours(adjacency_of(np.arange(1, 7), np.zeros(6, int), 7)), np.random.default_rng(0)
    counts = np.zeros(6)
    for _ in range(2000):
        counts[sampler.sample(np.array([0]), [2], generator).edge[ANY]] += 1
    # Each edge is drawn with probability 1/3; five standard deviations of a binomial count.
    assert np.abs(counts - 2000 / 3).max() < 5 * np.sqrt(2000 * 2 / 9)


def test_a_sample_depends_on_the_generator_only_and_leaves_nothing_behind():
    rng = np.random.default_rng(3)
    sampler = Neighbours(adjacency_of(*rng.integers(0, 50, (2, 400)), 50))
    seeds = np.arange(0, 50, 7)
    first = sampler.sample(seeds, [3, 2], np.random.default_rng(1))
    with pytest.raises(UsageError, match="twice"):
        sampler.sample(np.array([1, 1]), [2], np.random.default_rng(0))
    with pytest.raises(UsageError, match="no node"):
        sampler.sample(np.array([50]), [2], np.random.default_rng(0))
    sampler.sample(seeds, [3], np.random.default_rng(2), disjoint=True)
    copy = pickle.loads(pickle.dumps(sampler))
    for again in (sampler, copy):
        second = again.sample(seeds, [3, 2], np.random.default_rng(1))
        assert np.array_equal(first.edge[ANY], second.edge[ANY])
        assert np.array_equal(first.node[""], second.node[""])
    other = sampler.sample(seeds, [3, 2], np.random.default_rng(2))
    assert not np.array_equal(first.edge[ANY], other.edge[ANY])


def test_surroundings_that_are_kept_apart_are_those_of_each_seed_alone():
    rng = np.random.default_rng(4)
    sampler = Neighbours(adjacency_of(*rng.integers(0, 20, (2, 60)), 20, "both"))
    seeds = np.array([3, 3, 8, 0])
    found = sampler.sample(seeds, [-1, -1], np.random.default_rng(0), disjoint=True)
    for at, seed in enumerate(seeds.tolist()):
        alone = sampler.sample(np.array([seed]), [-1, -1], np.random.default_rng(0))
        mine = found.batch[""] == at
        assert sorted(found.node[""][mine]) == sorted(alone.node[""])
        assert sorted(found.edge[ANY][mine[found.col[ANY]]]) == sorted(alone.edge[ANY])


# -- time ------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(data=st.data(), graph=multigraphs(), limit=st.integers(-1, 3), of=st.sampled_from(["edge", "node"]))
def test_nothing_later_than_its_seed_is_followed_and_all_that_is_not_may_be(data, graph, limit, of):
    n_nodes, source, target = graph
    size = len(source) if of == "edge" else n_nodes
    time = np.array(data.draw(st.lists(st.integers(0, 9), min_size=size, max_size=size)), dtype=np.int64)
    seeds = np.array(data.draw(st.lists(st.integers(0, n_nodes - 1), min_size=1, max_size=5)))
    until = np.array(data.draw(st.lists(st.integers(0, 9), min_size=len(seeds), max_size=len(seeds))))
    times = Times(edge={ANY: time} if of == "edge" else {}, node={"": time} if of == "node" else {})
    found = Neighbours(adjacency_of(source, target, n_nodes)).sample(
        seeds,
        [limit, limit],
        np.random.default_rng(0),
        disjoint=True,
        times=times,
        seed_time={"": until},
    )
    node, batch = found.node[""], found.batch[""]
    row, col, edge = found.row[ANY], found.col[ANY], found.edge[ANY]
    assert (until[batch[col]] >= (time[edge] if of == "edge" else time[node[row]])).all()
    for centre in range(sum(found.n_nodes[""][:2])):
        own = until[batch[centre]]
        allowed = [
            e
            for e, (a, b) in enumerate(zip(source, target, strict=True))
            if b == node[centre] and (time[e] if of == "edge" else time[a]) <= own
        ]
        n_allowed = len(allowed) if limit < 0 else min(limit, len(allowed))
        assert (col == centre).sum() == n_allowed
        assert set(edge[col == centre].tolist()) <= set(allowed)


def test_a_limit_in_time_needs_samples_that_are_kept_apart():
    sampler = Neighbours(adjacency_of(np.array([0]), np.array([1]), 2))
    with pytest.raises(UsageError, match="limit in time"):
        sampler.sample(np.array([1]), [1], np.random.default_rng(0), times=Times({ANY: np.array([1])}, {}))


# -- many types ------------------------------------------------------------------------------------------------------

WRITES, CITES, TAGS = ("author", "writes", "paper"), ("paper", "cites", "paper"), ("paper", "tags", "author")
SIZES = {"author": 6, "paper": 9}


@st.composite
def typed_graphs(draw):
    found = {}
    for name in (WRITES, CITES, TAGS):
        ends = st.tuples(st.integers(0, SIZES[name[0]] - 1), st.integers(0, SIZES[name[2]] - 1))
        found[name] = np.array(draw(st.lists(ends, max_size=25)), dtype=np.int64).reshape(-1, 2)
    return found


def typed_sampler(edges):
    relations = {
        name: adjacency_of(table[:, 0], table[:, 1], (SIZES[name[0]], SIZES[name[2]])) for name, table in edges.items()
    }
    return Neighbours(relations, SIZES)


@settings(deadline=None)
@given(
    edges=typed_graphs(),
    seed=st.integers(0, 9),
    fans=st.fixed_dictionaries({name: st.lists(st.integers(-1, 3), max_size=2) for name in (WRITES, CITES)}),
    disjoint=st.booleans(),
)
def test_every_relation_has_its_own_fan_out_and_those_without_are_not_followed(edges, seed, fans, disjoint):
    seeds = np.array([0, 4, 8])
    found = typed_sampler(edges).sample({"paper": seeds}, fans, np.random.default_rng(seed), disjoint=disjoint)
    assert found.node["paper"][:3].tolist() == seeds.tolist()
    assert not len(found.edge[TAGS])
    n_hops = max(map(len, fans.values()))
    bounds = np.cumsum([0, *found.n_nodes["paper"]])
    for name, fan in fans.items():
        row, col, edge = found.row[name], found.col[name], found.edge[name]
        assert np.array_equal(found.node[name[0]][row], edges[name][edge, 0])
        assert np.array_equal(found.node["paper"][col], edges[name][edge, 1])
        if disjoint:
            assert np.array_equal(found.batch[name[0]][row], found.batch["paper"][col])
        degree = np.bincount(edges[name][:, 1], minlength=SIZES["paper"])
        starts = np.cumsum([0, *found.n_edges[name]])
        for hop in range(n_hops):
            limit = fan[hop] if hop < len(fan) else 0
            frontier = np.arange(bounds[hop], bounds[hop + 1])
            drawn = np.bincount(col[starts[hop] : starts[hop + 1]], minlength=len(found.node["paper"]))
            expected = degree[found.node["paper"][frontier]]
            expected = expected if limit < 0 else np.minimum(expected, limit)
            assert np.array_equal(drawn[frontier], expected)
            assert drawn.sum() == expected.sum()


def test_a_relation_or_a_type_that_does_not_exist_is_refused():
    sampler = typed_sampler({name: np.zeros((0, 2), dtype=int) for name in (WRITES, CITES, TAGS)})
    with pytest.raises(UsageError, match="no such relation"):
        sampler.sample({"paper": np.array([0])}, {("a", "b", "c"): [1]}, np.random.default_rng(0))
    with pytest.raises(UsageError, match="no such nodes"):
        sampler.sample({"journal": np.array([0])}, [1], np.random.default_rng(0))
    with pytest.raises(UsageError, match="no such nodes"):
        sample_by_budget(sampler, {"paper": np.array([0])}, {"journal": [1]}, np.random.default_rng(0))


@settings(deadline=None)
@given(edges=typed_graphs(), seed=st.integers(0, 9), budget=st.integers(0, 4))
def test_a_budget_adds_so_many_nodes_of_every_type_that_have_a_tie_and_all_edges_among_them(edges, seed, budget):
    sampler = typed_sampler(edges)
    found = sample_by_budget(
        sampler, {"paper": np.array([0, 4])}, {kind: [budget, budget] for kind in SIZES}, np.random.default_rng(seed)
    )
    known = {"author": set(), "paper": {0, 4}}
    for hop in (1, 2):
        tied = {kind: set() for kind in SIZES}
        for name, table in edges.items():
            tied[name[0]] |= {a for a, b in table.tolist() if b in known[name[2]]}
        for kind, size in SIZES.items():
            start = sum(found.n_nodes[kind][:hop])
            added = found.node[kind][start : start + found.n_nodes[kind][hop]].tolist()
            assert set(added) <= tied[kind] - known[kind]
            assert len(added) == min(budget, len(tied[kind] - known[kind])) <= size
        for kind in SIZES:
            known[kind] |= set(found.node[kind][: sum(found.n_nodes[kind][: hop + 1])].tolist())
    for name, table in edges.items():
        inside = [at for at, (a, b) in enumerate(table.tolist()) if a in known[name[0]] and b in known[name[2]]]
        assert sorted(found.edge[name].tolist()) == inside
        assert np.array_equal(found.node[name[0]][found.row[name]], table[found.edge[name], 0])
        assert np.array_equal(found.node[name[2]][found.col[name]], table[found.edge[name], 1])


def test_a_budget_draws_nodes_in_proportion_to_the_square_of_their_ties():
    # Seed 0 gives its two neighbours 1/2 each, seed 4 its three 1/3: paper 1 gets 5/6, 2 gets 3/6, 3 and 5 get 2/6.
    cites = np.array([[1, 0], [2, 0], [1, 4], [3, 4], [5, 4]])
    sampler = typed_sampler({CITES: cites})
    generator, counts = np.random.default_rng(2), Counter()
    n_draws = 3000
    for _ in range(n_draws):
        found = sample_by_budget(sampler, {"paper": np.array([0, 4])}, {"paper": [1]}, generator)
        counts[int(found.node["paper"][2])] += 1
    for paper, sixths in ((1, 5), (2, 3), (3, 2), (5, 2)):
        share = sixths**2 / (25 + 9 + 4 + 4)
        assert abs(counts[paper] - n_draws * share) < 5 * np.sqrt(n_draws * share * (1 - share))
