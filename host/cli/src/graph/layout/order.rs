//! The order within the layers: barycentres up and down, then swaps of neighbours, as long as crossings get fewer.

use super::grid::Grid;

/// So many sweeps to and fro are tried.
const SWEEPS: usize = 16;

/// So many rounds of swaps.
const ROUNDS: usize = 6;

/// Puts the elements of every layer in an order with few crossings.
pub(super) fn order(grid: &mut Grid) {
    let sides = Sides::of(grid);
    let mut positions = grid.positions();
    let mut best = (
        crossings(&grid.layers, &sides, &positions),
        grid.layers.clone(),
    );
    for sweep in 0..SWEEPS {
        if best.0 == 0 {
            break;
        }
        let forward = sweep % 2 == 0;
        let count = grid.layers.len();
        for step in 1..count {
            let layer = if forward { step } else { count - 1 - step };
            let fixed = if forward { &sides.before } else { &sides.after };
            sort_layer(&mut grid.layers[layer], fixed, &mut positions);
        }
        let found = crossings(&grid.layers, &sides, &positions);
        if found < best.0 {
            best = (found, grid.layers.clone());
        }
    }
    grid.layers = best.1;
    let mut positions = grid.positions();
    for _ in 0..ROUNDS {
        if !swap_neighbours(&mut grid.layers, &sides, &mut positions) {
            break;
        }
    }
}

/// For each element, the elements next to it in the layers before and after.
struct Sides {
    before: Vec<Vec<usize>>,
    after: Vec<Vec<usize>>,
}

impl Sides {
    fn of(grid: &Grid) -> Self {
        let (before, after) = grid.neighbours();
        let ends = |segments: Vec<Vec<usize>>, end: fn(&super::grid::Segment) -> usize| {
            let of_element = |segments: Vec<usize>| {
                segments
                    .iter()
                    .map(|&segment| end(&grid.segments[segment]))
                    .collect()
            };
            segments.into_iter().map(of_element).collect()
        };
        Self {
            before: ends(before, |segment| segment.from),
            after: ends(after, |segment| segment.to),
        }
    }
}

/// Sorts a layer by the mean position of the neighbours. Elements without any stay where they are.
fn sort_layer(layer: &mut [usize], neighbours: &[Vec<usize>], positions: &mut [usize]) {
    let mean = |element: usize| {
        let sum: usize = neighbours[element]
            .iter()
            .map(|&other| positions[other])
            .sum();
        sum as f64 / neighbours[element].len() as f64
    };
    let slots: Vec<usize> = (0..layer.len())
        .filter(|&slot| !neighbours[layer[slot]].is_empty())
        .collect();
    let mut moved: Vec<(f64, usize)> = slots
        .iter()
        .map(|&slot| (mean(layer[slot]), layer[slot]))
        .collect();
    // The sort is stable: equals keep their order.
    moved.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (slot, (_, element)) in slots.into_iter().zip(moved) {
        layer[slot] = element;
        positions[element] = slot;
    }
}

/// How many pairs of segments cross.
fn crossings(layers: &[Vec<usize>], sides: &Sides, positions: &[usize]) -> u64 {
    let mut total = 0;
    for (layer, next) in layers.iter().zip(layers.iter().skip(1)) {
        // Inversions among the ends of the segments, in the order of their beginnings; counted with a Fenwick tree.
        let mut tree = vec![0_u64; next.len() + 1];
        let mut seen = 0;
        for &element in layer {
            let mut ends: Vec<usize> = sides.after[element]
                .iter()
                .map(|&other| positions[other])
                .collect();
            ends.sort_unstable();
            for &end in &ends {
                total += seen - sum_to(&tree, end + 1);
            }
            for end in ends {
                add(&mut tree, end + 1);
                seen += 1;
            }
        }
    }
    total
}

fn sum_to(tree: &[u64], mut at: usize) -> u64 {
    let mut sum = 0;
    while at > 0 {
        sum += tree[at];
        at &= at - 1;
    }
    sum
}

fn add(tree: &mut [u64], mut at: usize) {
    while at < tree.len() {
        tree[at] += 1;
        at += at & at.wrapping_neg();
    }
}

/// Swaps neighbours whose segments then cross less; whether there were any.
fn swap_neighbours(layers: &mut [Vec<usize>], sides: &Sides, positions: &mut [usize]) -> bool {
    let mut swapped = false;
    for layer in layers {
        for slot in 1..layer.len() {
            let (upper, lower) = (layer[slot - 1], layer[slot]);
            let crossed = |first: usize, second: usize| {
                [&sides.before, &sides.after]
                    .iter()
                    .map(|side| crossings_of(&side[first], &side[second], positions))
                    .sum::<u64>()
            };
            if crossed(lower, upper) < crossed(upper, lower) {
                layer.swap(slot - 1, slot);
                (positions[lower], positions[upper]) = (slot - 1, slot);
                swapped = true;
            }
        }
    }
    swapped
}

/// How often the segments of two elements cross, the first of which is above the second.
fn crossings_of(first: &[usize], second: &[usize], positions: &[usize]) -> u64 {
    let sorted = |ends: &[usize]| {
        let mut ends: Vec<usize> = ends.iter().map(|&end| positions[end]).collect();
        ends.sort_unstable();
        ends
    };
    let (first, second) = (sorted(first), sorted(second));
    let below = |end: usize| second.partition_point(|&other| other < end) as u64;
    first.into_iter().map(below).sum()
}
