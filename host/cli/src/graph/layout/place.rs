//! The heights: every element as level with its neighbours as the order and the room between elements allow.
//!
//! For one layer with the others fixed, the best heights in the sense of least squares are an isotonic regression; the
//! algorithm that pools adjacent violators finds them in one pass. Sweeps to and fro bring the layers together.

use super::grid::{Element, Grid, Kind};

/// So many sweeps look back and forth in turn, then so many at both sides at once.
const SWEEPS: usize = 6;
const LAST_SWEEPS: usize = 4;

/// Between two boxes, and between a line or label and anything.
const BOX_GAP: f64 = 20.0;
const LINE_GAP: f64 = 6.0;

/// The most room between two links where they meet a box.
const PORT_GAP_MAX: f64 = 22.0;

/// A box's corners are kept free of links.
const CORNER: f64 = 10.0;

/// How much a segment wants to be level: long lines more than short ones.
const WEIGHT_LONG: f64 = 8.0;
const WEIGHT_SHORT: f64 = 2.0;
/// What has no neighbours wants to stay where it is, a little.
const WEIGHT_ALONE: f64 = 0.01;

/// Gives every element its height.
pub(super) fn place(grid: &mut Grid) {
    ports(grid);
    for layer in &grid.layers {
        let mut y = 0.0;
        for (position, &element) in layer.iter().enumerate() {
            if position > 0 {
                y += room(&grid.elements[layer[position - 1]], &grid.elements[element]);
            }
            grid.elements[element].y = y;
        }
        for &element in layer {
            grid.elements[element].y -= y / 2.0;
        }
    }
    let (before, after) = grid.neighbours();
    let count = grid.layers.len();
    for sweep in 0..SWEEPS + LAST_SWEEPS {
        let forward = sweep % 2 == 0;
        let both = sweep >= SWEEPS;
        for step in 0..count {
            let layer = if forward { step } else { count - 1 - step };
            let view = View {
                before: (forward || both).then_some(&*before),
                after: (!forward || both).then_some(&*after),
            };
            settle(grid, layer, &view);
        }
    }
}

/// Spreads the ends of segments over the sides of the boxes, in the order of where they come from and go to.
fn ports(grid: &mut Grid) {
    let positions = grid.positions();
    let mut before = vec![Vec::new(); grid.elements.len()];
    let mut after = vec![Vec::new(); grid.elements.len()];
    for (index, segment) in grid.segments.iter().enumerate() {
        before[segment.to].push(index);
        after[segment.from].push(index);
    }
    for element in 0..grid.elements.len() {
        if !matches!(grid.elements[element].kind, Kind::Node(_)) {
            continue;
        }
        let height = grid.elements[element].above + grid.elements[element].below;
        before[element].sort_by_key(|&segment| positions[grid.segments[segment].from]);
        after[element].sort_by_key(|&segment| positions[grid.segments[segment].to]);
        for (port, &segment) in before[element].iter().enumerate() {
            grid.segments[segment].to_offset = offset(port, before[element].len(), height);
        }
        for (port, &segment) in after[element].iter().enumerate() {
            grid.segments[segment].from_offset = offset(port, after[element].len(), height);
        }
    }
}

/// Where one of `count` ports is on the side of a box, from its middle.
fn offset(port: usize, count: usize, height: f64) -> f64 {
    let gaps = count.saturating_sub(1) as f64;
    // A box that is all corners keeps its ports inside all the same.
    let side = (height - 2.0 * CORNER).max(height * 0.5);
    let gap = if gaps > 0.0 {
        (side / gaps).min(PORT_GAP_MAX)
    } else {
        0.0
    };
    (port as f64 - gaps / 2.0) * gap
}

/// How far apart the lines of two neighbours are at least.
fn room(upper: &Element, lower: &Element) -> f64 {
    let is_box = |element: &Element| matches!(element.kind, Kind::Node(_));
    let gap = if is_box(upper) && is_box(lower) {
        BOX_GAP
    } else {
        LINE_GAP
    };
    upper.below + gap + lower.above
}

/// The segments at each element, before and after it; empty where a sweep does not look.
struct View<'a> {
    before: Option<&'a [Vec<usize>]>,
    after: Option<&'a [Vec<usize>]>,
}

impl View<'_> {
    /// The heights at which an element would be level with its neighbours, and how much each of them counts.
    fn wanted(&self, grid: &Grid, element: usize) -> Vec<(f64, f64)> {
        let of = |side: Option<&[Vec<usize>]>, wanted: fn(&Grid, usize) -> f64| {
            let segments = side.map_or(&[][..], |side| &side[element]);
            let wanted = segments
                .iter()
                .map(|&segment| (wanted(grid, segment), weight_of(grid, segment)));
            wanted.collect::<Vec<_>>()
        };
        let mut all = of(self.before, |grid, segment| {
            let segment = &grid.segments[segment];
            grid.elements[segment.from].y + segment.from_offset - segment.to_offset
        });
        all.extend(of(self.after, |grid, segment| {
            let segment = &grid.segments[segment];
            grid.elements[segment.to].y + segment.to_offset - segment.from_offset
        }));
        if all.is_empty() {
            all.push((grid.elements[element].y, WEIGHT_ALONE));
        }
        all
    }
}

/// Gives the elements of one layer the best heights for what is in view.
fn settle(grid: &mut Grid, layer: usize, view: &View<'_>) {
    let mut blocks: Vec<Block> = Vec::new();
    // Without the room between them, the elements of a layer only have to be in order.
    let mut shifts = Vec::with_capacity(grid.layers[layer].len());
    let mut shift = 0.0;
    let mut upper: Option<usize> = None;
    for &element in &grid.layers[layer] {
        shift += upper.map_or(0.0, |upper| {
            room(&grid.elements[upper], &grid.elements[element])
        });
        upper = Some(element);
        shifts.push(shift);
        let wanted = view.wanted(grid, element);
        let block = Block {
            sum: wanted.iter().map(|(y, weight)| (y - shift) * weight).sum(),
            weight: wanted.iter().map(|(_, weight)| weight).sum(),
            count: 1,
        };
        push(&mut blocks, block);
    }
    let heights = (blocks.iter())
        .flat_map(|block| std::iter::repeat_n(block.sum / block.weight, block.count));
    for ((&element, height), shift) in grid.layers[layer].iter().zip(heights).zip(shifts) {
        grid.elements[element].y = height + shift;
    }
}

fn weight_of(grid: &Grid, segment: usize) -> f64 {
    let segment = &grid.segments[segment];
    let is_box = |element: usize| matches!(grid.elements[element].kind, Kind::Node(_));
    if is_box(segment.from) || is_box(segment.to) {
        WEIGHT_SHORT
    } else {
        WEIGHT_LONG
    }
}

/// Neighbours that touch each other and move as one.
struct Block {
    sum: f64,
    weight: f64,
    count: usize,
}

/// Adds a block at the bottom; blocks that would overlap become one.
fn push(blocks: &mut Vec<Block>, mut block: Block) {
    while let Some(upper) =
        blocks.pop_if(|upper| upper.sum / upper.weight > block.sum / block.weight)
    {
        block.sum += upper.sum;
        block.weight += upper.weight;
        block.count += upper.count;
    }
    blocks.push(block);
}
