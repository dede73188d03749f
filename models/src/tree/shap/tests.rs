//! Shapley values against their definition.

use super::*;
use crate::tree::model::{Leaf, Node};

/// Shapley values by their definition: all sets of columns.
fn brute_force(tree: &Tree, row: &[f64]) -> Vec<f64> {
    let covers = tree.covers();
    let d = row.len();
    let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
    let mut found = vec![0.0; d + 1];
    for set in 0_usize..1 << d {
        let value = game(tree, &covers, row, set, tree.root());
        let size = set.count_ones() as usize;
        for (column, found) in found.iter_mut().take(d).enumerate() {
            *found += if set >> column & 1 == 1 {
                factorial(size - 1) * factorial(d - size) / factorial(d) * value
            } else {
                -factorial(size) * factorial(d - size - 1) / factorial(d) * value
            };
        }
        if set == 0 {
            found[d] = value;
        }
    }
    found
}

fn game(tree: &Tree, covers: &[f64], row: &[f64], set: usize, at: Child) -> f64 {
    let place = match at {
        Child::Leaf(leaf) => return tree.value(leaf),
        Child::Node(place) => place,
    };
    let node = &tree.nodes[place];
    let (left, right) = (Child::of(node.left), Child::of(node.right));
    if set >> node.column & 1 == 1 {
        let next = if tree.goes_left(node, row) { left } else { right };
        return game(tree, covers, row, set, next);
    }
    let cover = |child| match child {
        Child::Leaf(leaf) => tree.leaves[leaf].cover,
        Child::Node(node) => covers[node],
    };
    [left, right].map(|child| cover(child) / covers[place] * game(tree, covers, row, set, child)).iter().sum()
}

/// A tree of random splits, some of them of a column that is already on the path.
fn random_tree(seed: u64, columns: usize, leaves: usize) -> Tree {
    let chance = crate::tree::Chance::new(seed, crate::tree::Purpose::Bootstrap, 0);
    let mut draw = {
        let mut place = 0;
        move |limit: usize| {
            place += 1;
            chance.below(place, limit)
        }
    };
    let mut tree = Tree { leaves: vec![Leaf { value: 1.0, cover: 8.0 }], ..Tree::default() };
    // Where each leaf hangs.
    let mut links: Vec<Option<(usize, bool)>> = vec![None];
    while tree.leaves.len() < leaves {
        let leaf = draw(tree.leaves.len());
        let (place, right) = (tree.nodes.len(), tree.leaves.len());
        tree.nodes.push(Node {
            threshold: draw(10) as f64,
            column: draw(columns) as u32,
            left: Child::Leaf(leaf).link(),
            right: Child::Leaf(right).link(),
            set: None,
            missing_left: draw(2) == 0,
            gain: 1.0,
        });
        if let Some((parent, is_left)) = links[leaf] {
            let parent = &mut tree.nodes[parent];
            *(if is_left { &mut parent.left } else { &mut parent.right }) = Child::Node(place).link();
        }
        links[leaf] = Some((place, true));
        links.push(Some((place, false)));
        tree.leaves[leaf].value = draw(1_000) as f64 / 100.0;
        tree.leaves[leaf].cover = 1.0 + draw(50) as f64;
        tree.leaves.push(Leaf { value: draw(1_000) as f64 / 100.0, cover: 1.0 + draw(50) as f64 });
    }
    tree
}

fn explained(tree: &Tree, rows: &[f64], width: usize) -> (Vec<f64>, f64) {
    let x = ArrayView2::from_shape((rows.len() / width, width), rows).unwrap();
    let columns = Columns::learn(x, &[], 255, 1, 1).unwrap();
    let all = contributions(std::slice::from_ref(tree), &columns, &x, (0.0, 1.0), 1).unwrap();
    let expectation = all[[0, width]];
    (all.slice(ndarray::s![.., ..width]).iter().copied().collect(), expectation)
}

#[test]
fn shares_are_the_shapley_values_of_the_definition_however_many_rows_go_together() {
    for seed in 0..60 {
        let columns = 1 + seed as usize % 9;
        let tree = random_tree(seed, columns, 2 + seed as usize % 37);
        let value = |number: usize, column: usize| match (number * 7 + column * 3) % 11 {
            10 => f64::NAN,
            x => x as f64 + 0.5,
        };
        let rows: Vec<f64> = (0..11).flat_map(|number| (0..columns).map(move |column| value(number, column))).collect();
        let (found, base) = explained(&tree, &rows, columns);
        for (row, found) in rows.chunks_exact(columns).zip(found.chunks_exact(columns)) {
            let wanted = brute_force(&tree, row);
            assert!((base - wanted[columns]).abs() < 1e-9);
            for (column, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                assert!((found - wanted).abs() < 1e-9, "seed {seed} column {column}: {found} {wanted}");
            }
            let sum: f64 = found.iter().sum::<f64>() + base;
            assert!((sum - tree.value(tree.leaf(row))).abs() < 1e-9);
            assert_eq!(explained(&tree, row, columns).0, found, "alone");
        }
    }
}

/// A tree that is one path of so many columns: the longest that quadrature has to be exact for.
fn chain(columns: usize) -> Tree {
    let mut tree = Tree::default();
    for place in 0..columns {
        let next = if place + 1 == columns { Child::Leaf(columns) } else { Child::Node(place + 1) };
        tree.nodes.push(Node {
            threshold: 0.5,
            column: place as u32,
            left: Child::Leaf(place).link(),
            right: next.link(),
            set: None,
            missing_left: false,
            gain: 1.0,
        });
    }
    let leaf = |place: usize| Leaf { value: place as f64 + 1.0, cover: 3.0 + (place % 5) as f64 };
    tree.leaves = (0..=columns).map(leaf).collect();
    tree
}

#[test]
fn shares_of_paths_of_any_length_add_up() {
    for columns in [1, 4, 5, 8, 9, 12, 13, 16, 17, 32, 33, 64] {
        let tree = chain(columns);
        let rows: Vec<f64> = (0..6 * columns).map(|place| f64::from(u8::from(place * 13 % 7 > 1))).collect();
        let (found, base) = explained(&tree, &rows, columns);
        for (row, found) in rows.chunks_exact(columns).zip(found.chunks_exact(columns)) {
            let sum: f64 = found.iter().sum::<f64>() + base;
            let score = tree.value(tree.leaf(row));
            assert!((sum - score).abs() < 1e-9 * score, "{columns} columns: {sum} {score}");
        }
    }
}

#[test]
fn an_edge_that_no_training_row_took_gets_a_share_too() {
    let mut tree = chain(3);
    tree.leaves[0].cover = 0.0;
    tree.leaves[2].cover = 0.0;
    tree.leaves[3].cover = 0.0;
    for row in [[0.0, 0.0, 0.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]] {
        let (found, base) = explained(&tree, &row, 3);
        assert!((found.iter().sum::<f64>() + base - tree.value(tree.leaf(&row))).abs() < 1e-12, "{found:?}");
    }
}
